/** What this process has computed so far, ms. Unlike the time that passes it does not grow while others have the CPU. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
