#if canImport(Glibc) || canImport(Musl)
  // Glibc has them as an enumeration, Musl as numbers.
  #if canImport(Glibc)
    /// The type of a datagram socket, as socket(2) and getaddrinfo(3) take it.
    public let datagramSocketType = Int32(SOCK_DGRAM.rawValue)
    /// Added to a socket's type, keeps it from programs that are executed.
    public let closeOnExecution = Int32(SOCK_CLOEXEC.rawValue)
  #else
    /// The type of a datagram socket, as socket(2) and getaddrinfo(3) take it.
    public let datagramSocketType = SOCK_DGRAM
    /// Added to a socket's type, keeps it from programs that are executed.
    public let closeOnExecution = SOCK_CLOEXEC
  #endif

  /// When the content of a file was changed last.
  public func modificationTime(of status: stat) -> timespec { status.st_mtim }
  /// When content or attributes of a file were changed last.
  public func changeTime(of status: stat) -> timespec { status.st_ctim }

  /// Whether a signal does nothing in this process.
  public func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    sigaction(signal, nil, &action)
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  /// The path of the running program; nil where the system does not tell.
  public func pathOfThisProgram() -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    return count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }

  /// The variables of this process' environment, each as `NAME=VALUE`.
  public func environmentVariables() -> [String] {
    var variables: [String] = []
    var next = environ
    while let variable = next.pointee {
      variables.append(String(cString: variable))
      next += 1
    }
    return variables
  }
#endif
