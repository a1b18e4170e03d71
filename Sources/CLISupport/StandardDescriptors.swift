import LibC
import Synchronization

private let outputWasClosed = Atomic(false)

/// Opens /dev/null in place of standard descriptors that the caller has closed. Otherwise the next socket would become standard
/// error, and log lines would be written into it.
///
/// - Parameter isOutputNeeded: whether the run is for what it prints: then /dev/full takes the place of a closed standard output, so
///   that ``failureOfStandardOutput()`` learns that something was printed to nobody.
public func reserveStandardDescriptors(isOutputNeeded: Bool = false) {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    let isOutput = descriptor == STDOUT_FILENO
    if isOutput { outputWasClosed.store(true, ordering: .relaxed) }
    // The lowest free descriptor is taken, and those below are open.
    if isOutput, isOutputNeeded, open("/dev/full", O_RDWR) >= 0 { continue }
    _ = open("/dev/null", O_RDWR)
  }
}

/// Whether the caller had closed standard output.
func standardOutputWasClosed() -> Bool { outputWasClosed.load(ordering: .relaxed) }
