// @ts-nocheck: generated
/* eslint-disable require-yield */

import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Control {
  hello?: Hello
  haveBitfield?: HaveState
  have?: Runs
  lost?: Runs
  interested?: Empty
  notInterested?: Empty
  choke?: Empty
  unchoke?: Empty
  offer?: Pieces
  suggest?: Pieces
  request?: Request
  cancel?: RequestId
  reject?: Reject
  nodeRequest?: NodeRequest
  nodes?: Nodes
  pex?: Pex
  goodbye?: Goodbye
  decline?: Decline
  arriving?: Pieces
  want?: Want
}

export namespace Control {
  let _codec: Codec<Control>

  export const codec = (): Codec<Control> => {
    if (_codec == null) {
      _codec = message<Control>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.hello != null) {
          w.uint32(10)
          Hello.codec().encode(obj.hello, w)
        }

        if (obj.haveBitfield != null) {
          w.uint32(18)
          HaveState.codec().encode(obj.haveBitfield, w)
        }

        if (obj.have != null) {
          w.uint32(26)
          Runs.codec().encode(obj.have, w)
        }

        if (obj.lost != null) {
          w.uint32(34)
          Runs.codec().encode(obj.lost, w)
        }

        if (obj.interested != null) {
          w.uint32(42)
          Empty.codec().encode(obj.interested, w)
        }

        if (obj.notInterested != null) {
          w.uint32(50)
          Empty.codec().encode(obj.notInterested, w)
        }

        if (obj.choke != null) {
          w.uint32(58)
          Empty.codec().encode(obj.choke, w)
        }

        if (obj.unchoke != null) {
          w.uint32(66)
          Empty.codec().encode(obj.unchoke, w)
        }

        if (obj.offer != null) {
          w.uint32(74)
          Pieces.codec().encode(obj.offer, w)
        }

        if (obj.suggest != null) {
          w.uint32(82)
          Pieces.codec().encode(obj.suggest, w)
        }

        if (obj.request != null) {
          w.uint32(90)
          Request.codec().encode(obj.request, w)
        }

        if (obj.cancel != null) {
          w.uint32(98)
          RequestId.codec().encode(obj.cancel, w)
        }

        if (obj.reject != null) {
          w.uint32(106)
          Reject.codec().encode(obj.reject, w)
        }

        if (obj.nodeRequest != null) {
          w.uint32(114)
          NodeRequest.codec().encode(obj.nodeRequest, w)
        }

        if (obj.nodes != null) {
          w.uint32(122)
          Nodes.codec().encode(obj.nodes, w)
        }

        if (obj.pex != null) {
          w.uint32(130)
          Pex.codec().encode(obj.pex, w)
        }

        if (obj.goodbye != null) {
          w.uint32(138)
          Goodbye.codec().encode(obj.goodbye, w)
        }

        if (obj.decline != null) {
          w.uint32(146)
          Decline.codec().encode(obj.decline, w)
        }

        if (obj.arriving != null) {
          w.uint32(154)
          Pieces.codec().encode(obj.arriving, w)
        }

        if (obj.want != null) {
          w.uint32(162)
          Want.codec().encode(obj.want, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.hello = Hello.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.hello
              })
              break
            }
            case 2: {
              obj.haveBitfield = HaveState.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.haveBitfield
              })
              break
            }
            case 3: {
              obj.have = Runs.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.have
              })
              break
            }
            case 4: {
              obj.lost = Runs.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.lost
              })
              break
            }
            case 5: {
              obj.interested = Empty.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.interested
              })
              break
            }
            case 6: {
              obj.notInterested = Empty.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.notInterested
              })
              break
            }
            case 7: {
              obj.choke = Empty.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.choke
              })
              break
            }
            case 8: {
              obj.unchoke = Empty.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.unchoke
              })
              break
            }
            case 9: {
              obj.offer = Pieces.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.offer
              })
              break
            }
            case 10: {
              obj.suggest = Pieces.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.suggest
              })
              break
            }
            case 11: {
              obj.request = Request.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.request
              })
              break
            }
            case 12: {
              obj.cancel = RequestId.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.cancel
              })
              break
            }
            case 13: {
              obj.reject = Reject.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.reject
              })
              break
            }
            case 14: {
              obj.nodeRequest = NodeRequest.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.nodeRequest
              })
              break
            }
            case 15: {
              obj.nodes = Nodes.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.nodes
              })
              break
            }
            case 16: {
              obj.pex = Pex.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.pex
              })
              break
            }
            case 17: {
              obj.goodbye = Goodbye.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.goodbye
              })
              break
            }
            case 18: {
              obj.decline = Decline.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.decline
              })
              break
            }
            case 19: {
              obj.arriving = Pieces.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.arriving
              })
              break
            }
            case 20: {
              obj.want = Want.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.want
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Hello.codec().stream(reader, reader.uint32(), `${prefix}.hello`, {
                limits: opts.limits?.hello
              })

              break
            }
            case 2: {
              yield * HaveState.codec().stream(reader, reader.uint32(), `${prefix}.haveBitfield`, {
                limits: opts.limits?.haveBitfield
              })

              break
            }
            case 3: {
              yield * Runs.codec().stream(reader, reader.uint32(), `${prefix}.have`, {
                limits: opts.limits?.have
              })

              break
            }
            case 4: {
              yield * Runs.codec().stream(reader, reader.uint32(), `${prefix}.lost`, {
                limits: opts.limits?.lost
              })

              break
            }
            case 5: {
              yield * Empty.codec().stream(reader, reader.uint32(), `${prefix}.interested`, {
                limits: opts.limits?.interested
              })

              break
            }
            case 6: {
              yield * Empty.codec().stream(reader, reader.uint32(), `${prefix}.notInterested`, {
                limits: opts.limits?.notInterested
              })

              break
            }
            case 7: {
              yield * Empty.codec().stream(reader, reader.uint32(), `${prefix}.choke`, {
                limits: opts.limits?.choke
              })

              break
            }
            case 8: {
              yield * Empty.codec().stream(reader, reader.uint32(), `${prefix}.unchoke`, {
                limits: opts.limits?.unchoke
              })

              break
            }
            case 9: {
              yield * Pieces.codec().stream(reader, reader.uint32(), `${prefix}.offer`, {
                limits: opts.limits?.offer
              })

              break
            }
            case 10: {
              yield * Pieces.codec().stream(reader, reader.uint32(), `${prefix}.suggest`, {
                limits: opts.limits?.suggest
              })

              break
            }
            case 11: {
              yield * Request.codec().stream(reader, reader.uint32(), `${prefix}.request`, {
                limits: opts.limits?.request
              })

              break
            }
            case 12: {
              yield * RequestId.codec().stream(reader, reader.uint32(), `${prefix}.cancel`, {
                limits: opts.limits?.cancel
              })

              break
            }
            case 13: {
              yield * Reject.codec().stream(reader, reader.uint32(), `${prefix}.reject`, {
                limits: opts.limits?.reject
              })

              break
            }
            case 14: {
              yield * NodeRequest.codec().stream(reader, reader.uint32(), `${prefix}.nodeRequest`, {
                limits: opts.limits?.nodeRequest
              })

              break
            }
            case 15: {
              yield * Nodes.codec().stream(reader, reader.uint32(), `${prefix}.nodes`, {
                limits: opts.limits?.nodes
              })

              break
            }
            case 16: {
              yield * Pex.codec().stream(reader, reader.uint32(), `${prefix}.pex`, {
                limits: opts.limits?.pex
              })

              break
            }
            case 17: {
              yield * Goodbye.codec().stream(reader, reader.uint32(), `${prefix}.goodbye`, {
                limits: opts.limits?.goodbye
              })

              break
            }
            case 18: {
              yield * Decline.codec().stream(reader, reader.uint32(), `${prefix}.decline`, {
                limits: opts.limits?.decline
              })

              break
            }
            case 19: {
              yield * Pieces.codec().stream(reader, reader.uint32(), `${prefix}.arriving`, {
                limits: opts.limits?.arriving
              })

              break
            }
            case 20: {
              yield * Want.codec().stream(reader, reader.uint32(), `${prefix}.want`, {
                limits: opts.limits?.want
              })

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ControlHelloRootFieldEvent {
    field: '$.hello.root'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ControlHelloFeaturesFieldEvent {
    field: '$.hello.features'
    value: number
  }

  export interface ControlHelloManifestFieldEvent {
    field: '$.hello.manifest'
    value: boolean
  }

  export interface ControlHelloHaveKindFieldEvent {
    field: '$.hello.have.kind'
    value: number
  }

  export interface ControlHelloHaveBitfieldFieldEvent {
    field: '$.hello.have.bitfield'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ControlHelloMaxRequestsFieldEvent {
    field: '$.hello.maxRequests'
    value: number
  }

  export interface ControlHelloMaxRequestBytesFieldEvent {
    field: '$.hello.maxRequestBytes'
    value: number
  }

  export interface ControlHaveBitfieldKindFieldEvent {
    field: '$.haveBitfield.kind'
    value: number
  }

  export interface ControlHaveBitfieldBitfieldFieldEvent {
    field: '$.haveBitfield.bitfield'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ControlHaveFirstFieldEvent {
    field: '$.have.first[]'
    index: number
    value: number
  }

  export interface ControlHaveCountFieldEvent {
    field: '$.have.count[]'
    index: number
    value: number
  }

  export interface ControlHaveComingFieldEvent {
    field: '$.have.coming[]'
    index: number
    value: number
  }

  export interface ControlLostFirstFieldEvent {
    field: '$.lost.first[]'
    index: number
    value: number
  }

  export interface ControlLostCountFieldEvent {
    field: '$.lost.count[]'
    index: number
    value: number
  }

  export interface ControlLostComingFieldEvent {
    field: '$.lost.coming[]'
    index: number
    value: number
  }

  export interface ControlOfferPiecesFieldEvent {
    field: '$.offer.pieces[]'
    index: number
    value: number
  }

  export interface ControlSuggestPiecesFieldEvent {
    field: '$.suggest.pieces[]'
    index: number
    value: number
  }

  export interface ControlRequestIdFieldEvent {
    field: '$.request.id'
    value: number
  }

  export interface ControlRequestOffsetFieldEvent {
    field: '$.request.offset'
    value: number
  }

  export interface ControlRequestLengthFieldEvent {
    field: '$.request.length'
    value: number
  }

  export interface ControlCancelIdFieldEvent {
    field: '$.cancel.id'
    value: number
  }

  export interface ControlRejectIdFieldEvent {
    field: '$.reject.id'
    value: number
  }

  export interface ControlRejectCodeFieldEvent {
    field: '$.reject.code'
    value: number
  }

  export interface ControlNodeRequestFirstFieldEvent {
    field: '$.nodeRequest.first'
    value: number
  }

  export interface ControlNodeRequestCountFieldEvent {
    field: '$.nodeRequest.count'
    value: number
  }

  export interface ControlNodesFirstFieldEvent {
    field: '$.nodes.first'
    value: number
  }

  export interface ControlNodesTotalFieldEvent {
    field: '$.nodes.total'
    value: number
  }

  export interface ControlNodesBlocksFieldEvent {
    field: '$.nodes.blocks[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface ControlPexAddedIdFieldEvent {
    field: '$.pex.added[].id'
    value: string
    index: number
  }

  export interface ControlPexAddedAddrsFieldEvent {
    field: '$.pex.added[].addrs[]'
    index: number
    value: string
  }

  export interface ControlPexAddedSeederFieldEvent {
    field: '$.pex.added[].seeder'
    value: boolean
    index: number
  }

  export interface ControlPexDroppedFieldEvent {
    field: '$.pex.dropped[]'
    index: number
    value: string
  }

  export interface ControlGoodbyeCodeFieldEvent {
    field: '$.goodbye.code'
    value: number
  }

  export interface ControlGoodbyeMessageFieldEvent {
    field: '$.goodbye.message'
    value: string
  }

  export interface ControlDeclinePiecesFieldEvent {
    field: '$.decline.pieces[]'
    index: number
    value: number
  }

  export interface ControlDeclineBusyFieldEvent {
    field: '$.decline.busy'
    value: boolean
  }

  export interface ControlArrivingPiecesFieldEvent {
    field: '$.arriving.pieces[]'
    index: number
    value: number
  }

  export interface ControlWantUrgentFirstFieldEvent {
    field: '$.want.urgent.first[]'
    index: number
    value: number
  }

  export interface ControlWantUrgentCountFieldEvent {
    field: '$.want.urgent.count[]'
    index: number
    value: number
  }

  export interface ControlWantUrgentComingFieldEvent {
    field: '$.want.urgent.coming[]'
    index: number
    value: number
  }

  export interface ControlWantAheadFirstFieldEvent {
    field: '$.want.ahead.first[]'
    index: number
    value: number
  }

  export interface ControlWantAheadCountFieldEvent {
    field: '$.want.ahead.count[]'
    index: number
    value: number
  }

  export interface ControlWantAheadComingFieldEvent {
    field: '$.want.ahead.coming[]'
    index: number
    value: number
  }

  export interface ControlWantOnlyFieldEvent {
    field: '$.want.only'
    value: boolean
  }

  export function encode (obj: Partial<Control>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Control.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Control>): Control {
    return decodeMessage(buf, Control.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Control>): Generator<ControlHelloRootFieldEvent | ControlHelloFeaturesFieldEvent | ControlHelloManifestFieldEvent | ControlHelloHaveKindFieldEvent | ControlHelloHaveBitfieldFieldEvent | ControlHelloMaxRequestsFieldEvent | ControlHelloMaxRequestBytesFieldEvent | ControlHaveBitfieldKindFieldEvent | ControlHaveBitfieldBitfieldFieldEvent | ControlHaveFirstFieldEvent | ControlHaveCountFieldEvent | ControlHaveComingFieldEvent | ControlLostFirstFieldEvent | ControlLostCountFieldEvent | ControlLostComingFieldEvent | ControlOfferPiecesFieldEvent | ControlSuggestPiecesFieldEvent | ControlRequestIdFieldEvent | ControlRequestOffsetFieldEvent | ControlRequestLengthFieldEvent | ControlCancelIdFieldEvent | ControlRejectIdFieldEvent | ControlRejectCodeFieldEvent | ControlNodeRequestFirstFieldEvent | ControlNodeRequestCountFieldEvent | ControlNodesFirstFieldEvent | ControlNodesTotalFieldEvent | ControlNodesBlocksFieldEvent | ControlPexAddedIdFieldEvent | ControlPexAddedAddrsFieldEvent | ControlPexAddedSeederFieldEvent | ControlPexDroppedFieldEvent | ControlGoodbyeCodeFieldEvent | ControlGoodbyeMessageFieldEvent | ControlDeclinePiecesFieldEvent | ControlDeclineBusyFieldEvent | ControlArrivingPiecesFieldEvent | ControlWantUrgentFirstFieldEvent | ControlWantUrgentCountFieldEvent | ControlWantUrgentComingFieldEvent | ControlWantAheadFirstFieldEvent | ControlWantAheadCountFieldEvent | ControlWantAheadComingFieldEvent | ControlWantOnlyFieldEvent> {
    return streamMessage(buf, Control.codec(), opts)
  }
}

export interface Empty {}

export namespace Empty {
  let _codec: Codec<Empty>

  export const codec = (): Codec<Empty> => {
    if (_codec == null) {
      _codec = message<Empty>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export function encode (obj: Partial<Empty>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Empty.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Empty>): Empty {
    return decodeMessage(buf, Empty.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Empty>): Generator<{}> {
    return streamMessage(buf, Empty.codec(), opts)
  }
}

export interface Hello {
  root: Uint8Array<ArrayBuffer>
  features: number
  manifest: boolean
  have?: HaveState
  maxRequests: number
  maxRequestBytes: number
}

export namespace Hello {
  let _codec: Codec<Hello>

  export const codec = (): Codec<Hello> => {
    if (_codec == null) {
      _codec = message<Hello>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.root != null && obj.root.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.root)
        }

        if ((obj.features != null && obj.features !== 0)) {
          w.uint32(16)
          w.uint32(obj.features)
        }

        if ((obj.manifest != null && obj.manifest !== false)) {
          w.uint32(24)
          w.bool(obj.manifest)
        }

        if (obj.have != null) {
          w.uint32(34)
          HaveState.codec().encode(obj.have, w)
        }

        if ((obj.maxRequests != null && obj.maxRequests !== 0)) {
          w.uint32(40)
          w.uint32(obj.maxRequests)
        }

        if ((obj.maxRequestBytes != null && obj.maxRequestBytes !== 0)) {
          w.uint32(48)
          w.uint64Number(obj.maxRequestBytes)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          root: uint8ArrayAlloc(0),
          features: 0,
          manifest: false,
          maxRequests: 0,
          maxRequestBytes: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.root = reader.bytes()
              break
            }
            case 2: {
              obj.features = reader.uint32()
              break
            }
            case 3: {
              obj.manifest = reader.bool()
              break
            }
            case 4: {
              obj.have = HaveState.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.have
              })
              break
            }
            case 5: {
              obj.maxRequests = reader.uint32()
              break
            }
            case 6: {
              obj.maxRequestBytes = reader.uint64Number()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.root`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.features`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.manifest`,
                value: reader.bool()
              }
              break
            }
            case 4: {
              yield * HaveState.codec().stream(reader, reader.uint32(), `${prefix}.have`, {
                limits: opts.limits?.have
              })

              break
            }
            case 5: {
              yield {
                field: `${prefix}.maxRequests`,
                value: reader.uint32()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.maxRequestBytes`,
                value: reader.uint64Number()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface HelloRootFieldEvent {
    field: '$.root'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloFeaturesFieldEvent {
    field: '$.features'
    value: number
  }

  export interface HelloManifestFieldEvent {
    field: '$.manifest'
    value: boolean
  }

  export interface HelloHaveKindFieldEvent {
    field: '$.have.kind'
    value: number
  }

  export interface HelloHaveBitfieldFieldEvent {
    field: '$.have.bitfield'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloMaxRequestsFieldEvent {
    field: '$.maxRequests'
    value: number
  }

  export interface HelloMaxRequestBytesFieldEvent {
    field: '$.maxRequestBytes'
    value: number
  }

  export function encode (obj: Partial<Hello>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Hello.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>): Hello {
    return decodeMessage(buf, Hello.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>): Generator<HelloRootFieldEvent | HelloFeaturesFieldEvent | HelloManifestFieldEvent | HelloHaveKindFieldEvent | HelloHaveBitfieldFieldEvent | HelloMaxRequestsFieldEvent | HelloMaxRequestBytesFieldEvent> {
    return streamMessage(buf, Hello.codec(), opts)
  }
}

export interface HaveState {
  kind: number
  bitfield: Uint8Array<ArrayBuffer>
}

export namespace HaveState {
  let _codec: Codec<HaveState>

  export const codec = (): Codec<HaveState> => {
    if (_codec == null) {
      _codec = message<HaveState>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.kind != null && obj.kind !== 0)) {
          w.uint32(8)
          w.uint32(obj.kind)
        }

        if ((obj.bitfield != null && obj.bitfield.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.bitfield)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          kind: 0,
          bitfield: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.kind = reader.uint32()
              break
            }
            case 2: {
              obj.bitfield = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.kind`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.bitfield`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface HaveStateKindFieldEvent {
    field: '$.kind'
    value: number
  }

  export interface HaveStateBitfieldFieldEvent {
    field: '$.bitfield'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<HaveState>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, HaveState.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveState>): HaveState {
    return decodeMessage(buf, HaveState.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveState>): Generator<HaveStateKindFieldEvent | HaveStateBitfieldFieldEvent> {
    return streamMessage(buf, HaveState.codec(), opts)
  }
}

export interface Runs {
  first: number[]
  count: number[]
  coming: number[]
}

export namespace Runs {
  let _codec: Codec<Runs>

  export const codec = (): Codec<Runs> => {
    if (_codec == null) {
      _codec = message<Runs>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.first != null && obj.first.length > 0) {
          for (const value of obj.first) {
            w.uint32(8)
            w.uint32(value)
          }
        }

        if (obj.count != null && obj.count.length > 0) {
          for (const value of obj.count) {
            w.uint32(16)
            w.uint32(value)
          }
        }

        if (obj.coming != null && obj.coming.length > 0) {
          for (const value of obj.coming) {
            w.uint32(24)
            w.uint32(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          first: [],
          count: [],
          coming: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.first != null && obj.first.length === opts.limits.first) {
                throw new MaxLengthError('Decode error - repeated field "first" had too many elements')
              }

              obj.first.push(reader.uint32())
              break
            }
            case 2: {
              if (opts.limits?.count != null && obj.count.length === opts.limits.count) {
                throw new MaxLengthError('Decode error - repeated field "count" had too many elements')
              }

              obj.count.push(reader.uint32())
              break
            }
            case 3: {
              if (opts.limits?.coming != null && obj.coming.length === opts.limits.coming) {
                throw new MaxLengthError('Decode error - repeated field "coming" had too many elements')
              }

              obj.coming.push(reader.uint32())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          first: 0,
          count: 0,
          coming: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.first != null && obj.first === opts.limits.first) {
                throw new MaxLengthError('Streaming decode error - repeated field "first" had too many elements')
              }

              yield {
                field: `${prefix}.first[]`,
                index: obj.first,
                value: reader.uint32()
              }

              obj.first++

              break
            }
            case 2: {
              if (opts.limits?.count != null && obj.count === opts.limits.count) {
                throw new MaxLengthError('Streaming decode error - repeated field "count" had too many elements')
              }

              yield {
                field: `${prefix}.count[]`,
                index: obj.count,
                value: reader.uint32()
              }

              obj.count++

              break
            }
            case 3: {
              if (opts.limits?.coming != null && obj.coming === opts.limits.coming) {
                throw new MaxLengthError('Streaming decode error - repeated field "coming" had too many elements')
              }

              yield {
                field: `${prefix}.coming[]`,
                index: obj.coming,
                value: reader.uint32()
              }

              obj.coming++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface RunsFirstFieldEvent {
    field: '$.first[]'
    index: number
    value: number
  }

  export interface RunsCountFieldEvent {
    field: '$.count[]'
    index: number
    value: number
  }

  export interface RunsComingFieldEvent {
    field: '$.coming[]'
    index: number
    value: number
  }

  export function encode (obj: Partial<Runs>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Runs.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Runs>): Runs {
    return decodeMessage(buf, Runs.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Runs>): Generator<RunsFirstFieldEvent | RunsCountFieldEvent | RunsComingFieldEvent> {
    return streamMessage(buf, Runs.codec(), opts)
  }
}

export interface Pieces {
  pieces: number[]
}

export namespace Pieces {
  let _codec: Codec<Pieces>

  export const codec = (): Codec<Pieces> => {
    if (_codec == null) {
      _codec = message<Pieces>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.pieces != null && obj.pieces.length > 0) {
          for (const value of obj.pieces) {
            w.uint32(8)
            w.uint32(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          pieces: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.pieces != null && obj.pieces.length === opts.limits.pieces) {
                throw new MaxLengthError('Decode error - repeated field "pieces" had too many elements')
              }

              obj.pieces.push(reader.uint32())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          pieces: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.pieces != null && obj.pieces === opts.limits.pieces) {
                throw new MaxLengthError('Streaming decode error - repeated field "pieces" had too many elements')
              }

              yield {
                field: `${prefix}.pieces[]`,
                index: obj.pieces,
                value: reader.uint32()
              }

              obj.pieces++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface PiecesPiecesFieldEvent {
    field: '$.pieces[]'
    index: number
    value: number
  }

  export function encode (obj: Partial<Pieces>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Pieces.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Pieces>): Pieces {
    return decodeMessage(buf, Pieces.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Pieces>): Generator<PiecesPiecesFieldEvent> {
    return streamMessage(buf, Pieces.codec(), opts)
  }
}

export interface Decline {
  pieces: number[]
  busy: boolean
}

export namespace Decline {
  let _codec: Codec<Decline>

  export const codec = (): Codec<Decline> => {
    if (_codec == null) {
      _codec = message<Decline>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.pieces != null && obj.pieces.length > 0) {
          for (const value of obj.pieces) {
            w.uint32(8)
            w.uint32(value)
          }
        }

        if ((obj.busy != null && obj.busy !== false)) {
          w.uint32(16)
          w.bool(obj.busy)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          pieces: [],
          busy: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.pieces != null && obj.pieces.length === opts.limits.pieces) {
                throw new MaxLengthError('Decode error - repeated field "pieces" had too many elements')
              }

              obj.pieces.push(reader.uint32())
              break
            }
            case 2: {
              obj.busy = reader.bool()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          pieces: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.pieces != null && obj.pieces === opts.limits.pieces) {
                throw new MaxLengthError('Streaming decode error - repeated field "pieces" had too many elements')
              }

              yield {
                field: `${prefix}.pieces[]`,
                index: obj.pieces,
                value: reader.uint32()
              }

              obj.pieces++

              break
            }
            case 2: {
              yield {
                field: `${prefix}.busy`,
                value: reader.bool()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface DeclinePiecesFieldEvent {
    field: '$.pieces[]'
    index: number
    value: number
  }

  export interface DeclineBusyFieldEvent {
    field: '$.busy'
    value: boolean
  }

  export function encode (obj: Partial<Decline>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Decline.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Decline>): Decline {
    return decodeMessage(buf, Decline.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Decline>): Generator<DeclinePiecesFieldEvent | DeclineBusyFieldEvent> {
    return streamMessage(buf, Decline.codec(), opts)
  }
}

export interface Want {
  urgent?: Runs
  ahead?: Runs
  only: boolean
}

export namespace Want {
  let _codec: Codec<Want>

  export const codec = (): Codec<Want> => {
    if (_codec == null) {
      _codec = message<Want>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.urgent != null) {
          w.uint32(10)
          Runs.codec().encode(obj.urgent, w)
        }

        if (obj.ahead != null) {
          w.uint32(18)
          Runs.codec().encode(obj.ahead, w)
        }

        if ((obj.only != null && obj.only !== false)) {
          w.uint32(24)
          w.bool(obj.only)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          only: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.urgent = Runs.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.urgent
              })
              break
            }
            case 2: {
              obj.ahead = Runs.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.ahead
              })
              break
            }
            case 3: {
              obj.only = reader.bool()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Runs.codec().stream(reader, reader.uint32(), `${prefix}.urgent`, {
                limits: opts.limits?.urgent
              })

              break
            }
            case 2: {
              yield * Runs.codec().stream(reader, reader.uint32(), `${prefix}.ahead`, {
                limits: opts.limits?.ahead
              })

              break
            }
            case 3: {
              yield {
                field: `${prefix}.only`,
                value: reader.bool()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface WantUrgentFirstFieldEvent {
    field: '$.urgent.first[]'
    index: number
    value: number
  }

  export interface WantUrgentCountFieldEvent {
    field: '$.urgent.count[]'
    index: number
    value: number
  }

  export interface WantUrgentComingFieldEvent {
    field: '$.urgent.coming[]'
    index: number
    value: number
  }

  export interface WantAheadFirstFieldEvent {
    field: '$.ahead.first[]'
    index: number
    value: number
  }

  export interface WantAheadCountFieldEvent {
    field: '$.ahead.count[]'
    index: number
    value: number
  }

  export interface WantAheadComingFieldEvent {
    field: '$.ahead.coming[]'
    index: number
    value: number
  }

  export interface WantOnlyFieldEvent {
    field: '$.only'
    value: boolean
  }

  export function encode (obj: Partial<Want>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Want.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Want>): Want {
    return decodeMessage(buf, Want.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Want>): Generator<WantUrgentFirstFieldEvent | WantUrgentCountFieldEvent | WantUrgentComingFieldEvent | WantAheadFirstFieldEvent | WantAheadCountFieldEvent | WantAheadComingFieldEvent | WantOnlyFieldEvent> {
    return streamMessage(buf, Want.codec(), opts)
  }
}

export interface Request {
  id: number
  offset: number
  length: number
}

export namespace Request {
  let _codec: Codec<Request>

  export const codec = (): Codec<Request> => {
    if (_codec == null) {
      _codec = message<Request>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.id != null && obj.id !== 0)) {
          w.uint32(8)
          w.uint32(obj.id)
        }

        if ((obj.offset != null && obj.offset !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.offset)
        }

        if ((obj.length != null && obj.length !== 0)) {
          w.uint32(24)
          w.uint32(obj.length)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          id: 0,
          offset: 0,
          length: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.id = reader.uint32()
              break
            }
            case 2: {
              obj.offset = reader.uint64Number()
              break
            }
            case 3: {
              obj.length = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.id`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.offset`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.length`,
                value: reader.uint32()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface RequestIdFieldEvent {
    field: '$.id'
    value: number
  }

  export interface RequestOffsetFieldEvent {
    field: '$.offset'
    value: number
  }

  export interface RequestLengthFieldEvent {
    field: '$.length'
    value: number
  }

  export function encode (obj: Partial<Request>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Request.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Request>): Request {
    return decodeMessage(buf, Request.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Request>): Generator<RequestIdFieldEvent | RequestOffsetFieldEvent | RequestLengthFieldEvent> {
    return streamMessage(buf, Request.codec(), opts)
  }
}

export interface RequestId {
  id: number
}

export namespace RequestId {
  let _codec: Codec<RequestId>

  export const codec = (): Codec<RequestId> => {
    if (_codec == null) {
      _codec = message<RequestId>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.id != null && obj.id !== 0)) {
          w.uint32(8)
          w.uint32(obj.id)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          id: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.id = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.id`,
                value: reader.uint32()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface RequestIdIdFieldEvent {
    field: '$.id'
    value: number
  }

  export function encode (obj: Partial<RequestId>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RequestId.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RequestId>): RequestId {
    return decodeMessage(buf, RequestId.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RequestId>): Generator<RequestIdIdFieldEvent> {
    return streamMessage(buf, RequestId.codec(), opts)
  }
}

export interface Reject {
  id: number
  code: number
}

export namespace Reject {
  let _codec: Codec<Reject>

  export const codec = (): Codec<Reject> => {
    if (_codec == null) {
      _codec = message<Reject>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.id != null && obj.id !== 0)) {
          w.uint32(8)
          w.uint32(obj.id)
        }

        if ((obj.code != null && obj.code !== 0)) {
          w.uint32(16)
          w.uint32(obj.code)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          id: 0,
          code: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.id = reader.uint32()
              break
            }
            case 2: {
              obj.code = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.id`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.code`,
                value: reader.uint32()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface RejectIdFieldEvent {
    field: '$.id'
    value: number
  }

  export interface RejectCodeFieldEvent {
    field: '$.code'
    value: number
  }

  export function encode (obj: Partial<Reject>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Reject.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Reject>): Reject {
    return decodeMessage(buf, Reject.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Reject>): Generator<RejectIdFieldEvent | RejectCodeFieldEvent> {
    return streamMessage(buf, Reject.codec(), opts)
  }
}

export interface NodeRequest {
  first: number
  count: number
}

export namespace NodeRequest {
  let _codec: Codec<NodeRequest>

  export const codec = (): Codec<NodeRequest> => {
    if (_codec == null) {
      _codec = message<NodeRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.first != null && obj.first !== 0)) {
          w.uint32(8)
          w.uint32(obj.first)
        }

        if ((obj.count != null && obj.count !== 0)) {
          w.uint32(16)
          w.uint32(obj.count)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          first: 0,
          count: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.first = reader.uint32()
              break
            }
            case 2: {
              obj.count = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.first`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.count`,
                value: reader.uint32()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface NodeRequestFirstFieldEvent {
    field: '$.first'
    value: number
  }

  export interface NodeRequestCountFieldEvent {
    field: '$.count'
    value: number
  }

  export function encode (obj: Partial<NodeRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, NodeRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<NodeRequest>): NodeRequest {
    return decodeMessage(buf, NodeRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<NodeRequest>): Generator<NodeRequestFirstFieldEvent | NodeRequestCountFieldEvent> {
    return streamMessage(buf, NodeRequest.codec(), opts)
  }
}

export interface Nodes {
  first: number
  total: number
  blocks: Uint8Array<ArrayBuffer>[]
}

export namespace Nodes {
  let _codec: Codec<Nodes>

  export const codec = (): Codec<Nodes> => {
    if (_codec == null) {
      _codec = message<Nodes>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.first != null && obj.first !== 0)) {
          w.uint32(8)
          w.uint32(obj.first)
        }

        if ((obj.total != null && obj.total !== 0)) {
          w.uint32(16)
          w.uint32(obj.total)
        }

        if (obj.blocks != null && obj.blocks.length > 0) {
          for (const value of obj.blocks) {
            w.uint32(26)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          first: 0,
          total: 0,
          blocks: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.first = reader.uint32()
              break
            }
            case 2: {
              obj.total = reader.uint32()
              break
            }
            case 3: {
              if (opts.limits?.blocks != null && obj.blocks.length === opts.limits.blocks) {
                throw new MaxLengthError('Decode error - repeated field "blocks" had too many elements')
              }

              obj.blocks.push(reader.bytes())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          blocks: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.first`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.total`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              if (opts.limits?.blocks != null && obj.blocks === opts.limits.blocks) {
                throw new MaxLengthError('Streaming decode error - repeated field "blocks" had too many elements')
              }

              yield {
                field: `${prefix}.blocks[]`,
                index: obj.blocks,
                value: reader.bytes()
              }

              obj.blocks++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface NodesFirstFieldEvent {
    field: '$.first'
    value: number
  }

  export interface NodesTotalFieldEvent {
    field: '$.total'
    value: number
  }

  export interface NodesBlocksFieldEvent {
    field: '$.blocks[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Nodes>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Nodes.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Nodes>): Nodes {
    return decodeMessage(buf, Nodes.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Nodes>): Generator<NodesFirstFieldEvent | NodesTotalFieldEvent | NodesBlocksFieldEvent> {
    return streamMessage(buf, Nodes.codec(), opts)
  }
}

export interface PexPeer {
  id: string
  addrs: string[]
  seeder: boolean
}

export namespace PexPeer {
  let _codec: Codec<PexPeer>

  export const codec = (): Codec<PexPeer> => {
    if (_codec == null) {
      _codec = message<PexPeer>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.id != null && obj.id !== '')) {
          w.uint32(10)
          w.string(obj.id)
        }

        if (obj.addrs != null && obj.addrs.length > 0) {
          for (const value of obj.addrs) {
            w.uint32(18)
            w.string(value)
          }
        }

        if ((obj.seeder != null && obj.seeder !== false)) {
          w.uint32(24)
          w.bool(obj.seeder)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          id: '',
          addrs: [],
          seeder: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.id = reader.string()
              break
            }
            case 2: {
              if (opts.limits?.addrs != null && obj.addrs.length === opts.limits.addrs) {
                throw new MaxLengthError('Decode error - repeated field "addrs" had too many elements')
              }

              obj.addrs.push(reader.string())
              break
            }
            case 3: {
              obj.seeder = reader.bool()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          addrs: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.id`,
                value: reader.string()
              }
              break
            }
            case 2: {
              if (opts.limits?.addrs != null && obj.addrs === opts.limits.addrs) {
                throw new MaxLengthError('Streaming decode error - repeated field "addrs" had too many elements')
              }

              yield {
                field: `${prefix}.addrs[]`,
                index: obj.addrs,
                value: reader.string()
              }

              obj.addrs++

              break
            }
            case 3: {
              yield {
                field: `${prefix}.seeder`,
                value: reader.bool()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface PexPeerIdFieldEvent {
    field: '$.id'
    value: string
  }

  export interface PexPeerAddrsFieldEvent {
    field: '$.addrs[]'
    index: number
    value: string
  }

  export interface PexPeerSeederFieldEvent {
    field: '$.seeder'
    value: boolean
  }

  export function encode (obj: Partial<PexPeer>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, PexPeer.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PexPeer>): PexPeer {
    return decodeMessage(buf, PexPeer.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PexPeer>): Generator<PexPeerIdFieldEvent | PexPeerAddrsFieldEvent | PexPeerSeederFieldEvent> {
    return streamMessage(buf, PexPeer.codec(), opts)
  }
}

export interface Pex {
  added: PexPeer[]
  dropped: string[]
}

export namespace Pex {
  let _codec: Codec<Pex>

  export const codec = (): Codec<Pex> => {
    if (_codec == null) {
      _codec = message<Pex>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.added != null && obj.added.length > 0) {
          for (const value of obj.added) {
            w.uint32(10)
            PexPeer.codec().encode(value, w)
          }
        }

        if (obj.dropped != null && obj.dropped.length > 0) {
          for (const value of obj.dropped) {
            w.uint32(18)
            w.string(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          added: [],
          dropped: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.added != null && obj.added.length === opts.limits.added) {
                throw new MaxLengthError('Decode error - repeated field "added" had too many elements')
              }

              obj.added.push(PexPeer.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.added$
              }))
              break
            }
            case 2: {
              if (opts.limits?.dropped != null && obj.dropped.length === opts.limits.dropped) {
                throw new MaxLengthError('Decode error - repeated field "dropped" had too many elements')
              }

              obj.dropped.push(reader.string())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          added: 0,
          dropped: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.added != null && obj.added === opts.limits.added) {
                throw new MaxLengthError('Streaming decode error - repeated field "added" had too many elements')
              }

              for (const evt of PexPeer.codec().stream(reader, reader.uint32(), `${prefix}.added[]`, {
                limits: opts.limits?.added$
              })) {
                yield {
                  ...evt,
                  index: obj.added
                }
              }

              obj.added++

              break
            }
            case 2: {
              if (opts.limits?.dropped != null && obj.dropped === opts.limits.dropped) {
                throw new MaxLengthError('Streaming decode error - repeated field "dropped" had too many elements')
              }

              yield {
                field: `${prefix}.dropped[]`,
                index: obj.dropped,
                value: reader.string()
              }

              obj.dropped++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface PexAddedIdFieldEvent {
    field: '$.added[].id'
    value: string
    index: number
  }

  export interface PexAddedAddrsFieldEvent {
    field: '$.added[].addrs[]'
    index: number
    value: string
  }

  export interface PexAddedSeederFieldEvent {
    field: '$.added[].seeder'
    value: boolean
    index: number
  }

  export interface PexDroppedFieldEvent {
    field: '$.dropped[]'
    index: number
    value: string
  }

  export function encode (obj: Partial<Pex>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Pex.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Pex>): Pex {
    return decodeMessage(buf, Pex.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Pex>): Generator<PexAddedIdFieldEvent | PexAddedAddrsFieldEvent | PexAddedSeederFieldEvent | PexDroppedFieldEvent> {
    return streamMessage(buf, Pex.codec(), opts)
  }
}

export interface Goodbye {
  code: number
  message: string
}

export namespace Goodbye {
  let _codec: Codec<Goodbye>

  export const codec = (): Codec<Goodbye> => {
    if (_codec == null) {
      _codec = message<Goodbye>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.code != null && obj.code !== 0)) {
          w.uint32(8)
          w.uint32(obj.code)
        }

        if ((obj.message != null && obj.message !== '')) {
          w.uint32(18)
          w.string(obj.message)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          code: 0,
          message: ''
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.code = reader.uint32()
              break
            }
            case 2: {
              obj.message = reader.string()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.code`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.message`,
                value: reader.string()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface GoodbyeCodeFieldEvent {
    field: '$.code'
    value: number
  }

  export interface GoodbyeMessageFieldEvent {
    field: '$.message'
    value: string
  }

  export function encode (obj: Partial<Goodbye>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Goodbye.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Goodbye>): Goodbye {
    return decodeMessage(buf, Goodbye.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Goodbye>): Generator<GoodbyeCodeFieldEvent | GoodbyeMessageFieldEvent> {
    return streamMessage(buf, Goodbye.codec(), opts)
  }
}
