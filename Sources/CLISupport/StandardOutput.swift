// `stdout` is a variable to Swift, though nobody ever changes it.
#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  @preconcurrency import Darwin
#elseif canImport(Android)
  @preconcurrency import Android
#endif

/// Writes out what was printed; nil when all of it, from the start of the process on, has arrived.
public func failureOfStandardOutput() -> CommandFailure? {
  // An earlier failure has taken its bytes with it, so that flushing what is left says nothing of it.
  let hasFailed = ferror(stdout) != 0
  let reason = fflush(stdout) == 0 ? nil : String(cString: strerror(errno))
  guard hasFailed || reason != nil else { return nil }
  let problem = standardOutputWasClosed() ? "it is closed" : reason ?? "something of it is lost"
  return CommandFailure(
    .cannotCreate, "standard output cannot be written: \(problem); mend where it leads, and run this again")
}
