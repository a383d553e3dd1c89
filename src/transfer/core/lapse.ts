/** How long a batch is waited for that its peer does not ask for, take, or confirm. */
import { SECOND_MS } from '../../base/units.ts'
import type { Batch } from './batch.ts'

/** An offer that was not answered for so long is no longer waited for; it still permits. */
export const UNANSWERED_MS = 2 * SECOND_MS
/** A piece that was sent, and that its taker did not say it has after so long, is no longer waited for. */
export const UNCONFIRMED_MS = 10 * SECOND_MS
/** Of a batch that started a block is out by then, on any uplink of use; else its taker does not read. */
export const STALLED_MS = 30 * SECOND_MS
/** An offer that is not answered for so long, or twice what the peer takes for an answer, takes up the window no more. */
const DOUBTED_ANSWER_MS = 250
const MAX_DOUBTED_ANSWER_MS = SECOND_MS

/** @param slow under a limit of our own a block may take long */
export function isLapsed({ askedAt, offeredAt, sentAt, movedAt }: Batch, slow: boolean, now: number): boolean {
  if (askedAt === undefined) return now - offeredAt >= UNANSWERED_MS
  if (sentAt !== undefined) return now - sentAt >= UNCONFIRMED_MS
  return !slow && movedAt !== undefined && now - movedAt >= STALLED_MS
}

/** It was asked for, and not all of what was asked for is out: how long that takes is up to a limit of our own too. */
export function isBeingSent({ askedAt, sentAt }: Batch): boolean {
  return askedAt !== undefined && sentAt === undefined
}

/**
 * Offered and not answered, or handed to the stream and not heard of: longer than it should take.
 * @param answerMs what its peer usually takes for an answer @param doubtedMs how long news of what was sent may take
 */
export function isDoubtful(batch: Batch, answerMs: number | undefined, doubtedMs: number, now: number): boolean {
  const { askedAt, offeredAt, sentAt, movedAt } = batch
  if (askedAt === undefined) {
    const usualMs = Math.max(DOUBTED_ANSWER_MS, 2 * (answerMs ?? 0))
    return now - offeredAt >= Math.min(MAX_DOUBTED_ANSWER_MS, usualMs)
  }
  const since = sentAt ?? movedAt
  return since !== undefined && now - since >= doubtedMs
}

/** So long after it came a peer is trusted to answer. */
const NEWCOMER_MS = SECOND_MS

/** Whether the session never answered an offer, and is no newcomer: what it is offered takes up no window. */
export function isProbe(
  { hasAnswered, timesLapsed, openedAt }: { hasAnswered: boolean; timesLapsed: number; openedAt: number },
  now: number
): boolean {
  return !hasAnswered && (timesLapsed > 0 || now - openedAt >= NEWCOMER_MS)
}
