/**
 * Network namespaces of Linux for one script: machines on two switches with a cable between them that can be cut, and can
 * lose packets. Needs root. Everything is made under names of this process and removed by `close`, also when the process
 * is told to end; addresses are of 10.77.0.0/24 and exist only in there.
 *
 *     machine ── switch "left" ══ cable ══ switch "right" ── machine
 */
import { execFileSync } from 'node:child_process'

/** @typedef {'left' | 'right'} Side */
/** @typedef {'silently' | 'down'} Cut packets vanish, or the link says that it is down */

const PREFIX = `shoal${process.pid}`
const TRUNKS = /** @type {const} */ (['left', 'right'])
const UINT32 = 2 ** 32

/** Why this machine cannot do it; undefined when it can. */
export function cannotMake() {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only'
  if (process.getuid?.() !== 0) return 'making network namespaces needs root'
  const probe = `${PREFIX}-probe`
  try {
    ip(['netns', 'add', probe])
  } catch (err) {
    return `no network namespace can be made here: ${messageOf(err)}`
  }
  try {
    ip(['-n', probe, 'link', 'add', 'probe', 'type', 'bridge'])
    ip(['-n', probe, 'link', 'set', 'probe', 'up'])
    dropPackets(probe, 'probe', 0.5)
    return undefined
  } catch (err) {
    return `this kernel has no bridge or no packet filter for tc: ${messageOf(err)}`
  } finally {
    ip(['netns', 'del', probe])
  }
}

export class Namespaces {
  #switch = `${PREFIX}-switch`
  /** @type {string[]} */
  #made = []
  #machines = 0

  constructor() {
    this.#add(this.#switch)
    for (const side of TRUNKS) {
      ip(['-n', this.#switch, 'link', 'add', side, 'type', 'bridge'])
      ip(['-n', this.#switch, 'link', 'set', side, 'up'])
    }
    ip(['-n', this.#switch, 'link', 'add', 'trunk-left', 'type', 'veth', 'peer', 'name', 'trunk-right'])
    for (const side of TRUNKS) {
      ip(['-n', this.#switch, 'link', 'set', `trunk-${side}`, 'gso_max_segs', '1', 'master', side, 'up'])
    }
  }

  /**
   * A machine on one of the switches.
   * @param {Side} side
   * @param {{ tcpRetries?: number }} [options] after how many repetitions TCP gives a connection up; Linux's default is
   *   15, which takes a quarter of an hour
   * @returns {{ name: string, address: string }} the namespace, and its address
   */
  machine(side, { tcpRetries } = {}) {
    const number = ++this.#machines
    const name = `${PREFIX}-${number}`
    const address = `10.77.0.${number}`
    this.#add(name)
    ip(['link', 'add', 'eth0', 'netns', name, 'type', 'veth', 'peer', 'name', `port${number}`, 'netns', this.#switch])
    ip(['-n', this.#switch, 'link', 'set', `port${number}`, 'gso_max_segs', '1', 'master', side, 'up'])
    ip(['-n', name, 'link', 'set', 'lo', 'up'])
    // a packet on the cable is one packet, so that one that is lost is one
    ip(['-n', name, 'link', 'set', 'eth0', 'gso_max_segs', '1', 'up'])
    ip(['-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0'])
    if (tcpRetries !== undefined) {
      run('ip', ['netns', 'exec', name, 'sysctl', '-qw', `net.ipv4.tcp_retries2=${tcpRetries}`])
    }
    return { name, address }
  }

  /**
   * A command line that runs in a machine.
   * @param {string} machine
   * @param {string} command
   * @param {readonly string[]} args
   * @returns {{ command: string, args: string[] }}
   */
  inside(machine, command, args) {
    return { command: 'ip', args: ['netns', 'exec', machine, command, ...args] }
  }

  /** Nothing crosses the cable any more. @param {Cut} how */
  cut(how) {
    if (how === 'down') ip(['-n', this.#switch, 'link', 'set', 'trunk-left', 'down'])
    else this.lose(1)
  }

  heal() {
    ip(['-n', this.#switch, 'link', 'set', 'trunk-left', 'up'])
    this.lose(0)
  }

  /** Of the packets that cross the cable, in each direction by itself, this share is lost. @param {number} share 0 to 1 */
  lose(share) {
    for (const side of TRUNKS) dropPackets(this.#switch, `trunk-${side}`, share)
  }

  /** What the cable carries in each direction. @param {number} mbitPerSec */
  shape(mbitPerSec) {
    for (const side of TRUNKS) {
      const limit = ['rate', `${mbitPerSec}mbit`, 'burst', '32kb', 'latency', '20ms']
      run('tc', ['-n', this.#switch, 'qdisc', 'replace', 'dev', `trunk-${side}`, 'root', 'tbf', ...limit])
    }
  }

  /** End the processes in there first. */
  close() {
    for (const name of this.#made.splice(0).reverse()) {
      try {
        ip(['netns', 'del', name])
      } catch (err) {
        console.error(`the namespace ${name} is left, remove it with ip netns del: ${messageOf(err)}`)
      }
    }
  }

  /** @param {string} name */
  #add(name) {
    ip(['netns', 'add', name])
    this.#made.push(name)
  }
}

/**
 * Drops packets that come in on a device, each with this probability: a filter of four instructions, as not every kernel
 * has netem. "Load a random number; at or above the threshold let it through (0, TC_ACT_OK), else drop it (2, TC_ACT_SHOT)."
 * @param {string} namespace @param {string} device @param {number} share
 */
function dropPackets(namespace, device, share) {
  const at = ['-n', namespace]
  run('tc', [...at, 'qdisc', 'replace', 'dev', device, 'clsact'])
  run('tc', [...at, 'filter', 'del', 'dev', device, 'ingress'])
  if (share <= 0) return
  const threshold = Math.round(Math.min(1, share) * UINT32)
  // SKF_AD_OFF + SKF_AD_RANDOM of linux/filter.h
  const random = UINT32 - 0x1000 + 56
  const code = threshold >= UINT32 ? '1,6 0 0 2' : `4,32 0 0 ${random},53 0 1 ${threshold},6 0 0 0,6 0 0 2`
  run('tc', [...at, 'filter', 'add', 'dev', device, 'ingress', 'bpf', 'da', 'bytecode', code])
}

/** @param {readonly string[]} args */
function ip(args) {
  run('ip', args)
}

/** @param {string} command @param {readonly string[]} args */
function run(command, args) {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** @param {unknown} err */
function messageOf(err) {
  return err instanceof Error ? err.message.trim().split('\n').join(' ') : String(err)
}
