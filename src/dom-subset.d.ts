/**
 * The few names of the DOM library that the declarations of libp2p mention and @types/node 20 lacks. The whole library
 * would also declare `name`, `status`, `close` and a thousand other browser globals, which hide real mistakes in a
 * program for Node. Ambient and never emitted.
 */
interface EventInit {
  bubbles?: boolean
  cancelable?: boolean
  composed?: boolean
}
interface CustomEventInit<T = unknown> extends EventInit {
  detail?: T
}
interface AddEventListenerOptions extends EventListenerOptions {
  once?: boolean
  passive?: boolean
  signal?: AbortSignal
}
type JsonWebKey = import('node:crypto').webcrypto.JsonWebKey
type CryptoKeyPair = import('node:crypto').webcrypto.CryptoKeyPair
