import LibC
import NIOCore
import NIOPosix

extension WormholeImporter {
  /// Carries one connection over a pair of descriptors, such as standard input and output, and returns when it has ended.
  ///
  /// - Parameters:
  ///   - input: Where the client's bytes come from: a pipe, socket or terminal. It is duplicated.
  ///   - output: Where the service's bytes go; the same.
  ///   - service: Which of the far end's services; its address is of no meaning.
  /// - Throws: ``WormholeError`` when a descriptor cannot be waited on, as is so for a file and for /dev/null, or cannot be duplicated.
  public func carry(input: CInt, output: CInt, to service: ImportedService) async throws {
    guard Self.canBeAwaited(input), Self.canBeAwaited(output) else { throw Self.refusal("one is a device") }
    let pair = try Self.duplicates(of: input, output)
    let bootstrap = NIOPipeBootstrap(group: eventLoop)
      .channelOption(.autoRead, value: false)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.maxMessagesPerRead, value: 1)
      .channelOption(.writeBufferWaterMark, value: .init(low: 1, high: 1))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let side = TCPSide()
          try channel.pipeline.syncOperations.addHandler(side)
          self.admit(side, for: service)
        }
      }
    let channel: any Channel
    do {
      channel = try await bootstrap.takingOwnershipOfDescriptors(input: pair.0, output: pair.1).get()
    } catch {
      LibC.close(pair.0)
      LibC.close(pair.1)
      throw Self.refusal("\(error)")
    }
    try await withTaskCancellationHandler {
      try await channel.closeFuture.get()
    } onCancel: {
      channel.close(promise: nil)
    }
  }

  /// NIO refuses files by itself, but takes every device for a terminal, and traps when there is nothing to wait for.
  private static func canBeAwaited(_ descriptor: CInt) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return status.st_mode & S_IFMT != S_IFCHR || isatty(descriptor) == 1
  }

  /// NIO traps at a descriptor that is none.
  private static func duplicates(of input: CInt, _ output: CInt) throws -> (CInt, CInt) {
    let first = dup(input)
    guard first >= 0 else { throw refusal(String(cString: strerror(errno))) }
    let second = dup(output)
    guard second >= 0 else {
      let code = errno
      LibC.close(first)
      throw refusal(String(cString: strerror(code)))
    }
    return (first, second)
  }

  private static func refusal(_ reason: String) -> WormholeError {
    WormholeError(
      .notListening, "cannot carry standard input and output: \(reason); let them be pipes, sockets or a terminal")
  }
}
