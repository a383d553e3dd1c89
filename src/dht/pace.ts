/**
 * How fast the routing table is looked after. A node pauses for seconds and minutes between its looks and gives others
 * seconds to answer; a test that waits for what comes of it has less time.
 */
export interface Pace {
  /** What every pause between looks and pings is multiplied by. */
  readonly pauses: number
  /** What the time limits of questions and pings are multiplied by. */
  readonly limits: number
}

export const USUAL_PACE: Pace = { pauses: 1, limits: 1 }
