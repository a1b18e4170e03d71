import LibC

/// Opens /dev/null in place of standard descriptors that the caller has closed. Otherwise the next socket would become standard
/// error, and log lines would be written into it.
public func reserveStandardDescriptors() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    // The lowest free descriptor is taken, and those below are open.
    _ = open("/dev/null", O_RDWR)
  }
}
