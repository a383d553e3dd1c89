/**
 * Limits of `/shoal/swarm/1.0.0`. What a peer sends beyond them ends its session with goodbye `limit`; what we send stays
 * within them. They are part of the protocol: docs/protocol.md lists them.
 */
import { KIB, MIB } from '../../base/units.ts'

/** Name of the stream protocol. A private network prefixes it. */
export const SWARM_PROTOCOL = '/shoal/swarm/1.0.0'

/** The largest DAG node that travels. */
export const MAX_NODE_BYTES = 2 * MIB
/** Body of a control frame: one node of the largest size, with some small ones before it. */
export const MAX_CONTROL_BYTES = MAX_NODE_BYTES + 128 * KIB
/** Payload of a data frame; so much can lie ahead of a control frame. */
export const MAX_DATA_BYTES = 256 * KIB
/** The same for a peer that does not say that it takes more. */
export const LEAST_DATA_BYTES = 128 * KIB
/** What follows the length of any frame: type, and the largest body. Frames of unknown type have the same limit. */
export const MAX_FRAME_BYTES = 1 + MAX_CONTROL_BYTES

/** CID bytes of a root. */
export const MAX_ROOT_BYTES = 64
/** 8,388,608 pieces: 8 TiB at 1 MiB each. */
export const MAX_BITFIELD_BYTES = MIB
/** Pieces that a root may have on the wire. */
export const MAX_PIECES = MAX_BITFIELD_BYTES * 8
/** Runs in one `have` or `lost`. */
export const MAX_HAVE_RUNS = 4096
/** Pieces in one `offer` or `suggest`. */
export const MAX_OFFER_PIECES = 1024
/** Bytes that one request asks for, at least 1. */
export const MAX_REQUEST_BYTES = MIB
/** The largest `maxRequests` that is believed. */
export const MAX_REQUESTS_IN_FLIGHT = 4096
/** The largest `maxRequestBytes` that is believed. */
export const MAX_REQUEST_BYTES_IN_FLIGHT = 64 * MIB
/** The smallest `maxRequestBytes` that makes sense: one request. */
export const MIN_REQUEST_BYTES_IN_FLIGHT = MAX_REQUEST_BYTES
/** Nodes that one `nodeRequest` asks for, and that one `nodes` carries. */
export const MAX_NODES_PER_REQUEST = 1024
/** DAG nodes of a root. */
export const MAX_NODES = 4 * 1024 * 1024
/** Peers in `added` and in `dropped` of one `pex`. */
export const MAX_PEX_PEERS = 50
export const MAX_PEX_ADDRS = 8
export const MAX_ADDR_BYTES = 256
export const MAX_PEER_ID_BYTES = 128
/** UTF-8 bytes of a goodbye's message. */
export const MAX_TEXT_BYTES = 512
