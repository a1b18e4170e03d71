import ArgumentParser
import ExampleSupport
import NIOCore
import NIOPosix
import Plexus

/// A web server that is reached behind its NAT, and what reaches it.
@main struct WebServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "webserver", abstract: "Serve a folder to peers by HTTP, and reach such a server.",
    subcommands: [Serve.self, Get.self, Open.self])
  static let application = "webserver example"
}

/// Serves a folder to everyone in the repository, until a signal. One stream is one HTTP connection.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Serve a folder to peers.")

  @OptionGroup var meeting: MeetingOptions
  @Argument(help: "What to serve.") var folder: String

  func run() async throws {
    let plexus = try meeting.plexus(for: WebServer.application)
    let site = try Site(folder: folder)
    try await untilSignal {
      say("Waiting for clients.")
      try await plexus.accept(from: .any) { passage in
        let stream = try await passage.openStream()
        do { try await site.serve(stream) } catch { say("\(stream.peer): \(error)") }
        await stream.close()
      }
    }
  }
}

/// Fetches one page.
struct Get: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Print a page of a peer's server.")

  @OptionGroup var meeting: MeetingOptions
  @Argument(help: ArgumentHelp("Whose server.", valueName: "owner/pin"), transform: IdentityName.init)
  var peer: IdentityName
  @Argument(help: "Path of the page, such as /index.html.") var path = "/"

  func run() async throws {
    let plexus = try meeting.plexus(for: WebServer.application)
    let isDone = try await untilSignal {
      let stream = try await plexus.invite(peer).openStream()
      do { try await get(path, over: stream) } catch {
        await stream.close()
        throw error
      }
      await stream.close()
    }
    guard isDone else { throw HTTPFailure("interrupted before \(path) was there; start again") }
  }
}

/// A port of this machine that leads to a peer's server, for browsers. Each connection to it is a stream of its own.
struct Open: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Bring a peer's server to a local port.")
  /// As many passages as a peer grants.
  private static let mostConnections = 16

  @OptionGroup var meeting: MeetingOptions
  @Argument(help: ArgumentHelp("Whose server.", valueName: "owner/pin"), transform: IdentityName.init)
  var peer: IdentityName
  @Option(help: "The port, on 127.0.0.1.") var port = 8080

  func run() async throws {
    let plexus = try meeting.plexus(for: WebServer.application)
    try await untilSignal {
      let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .bind(host: "127.0.0.1", port: port) { client in
          client.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: client)
          }
        }
      try await listener.executeThenClose { clients in
        say("http://127.0.0.1:\(port)/ leads to \(peer).")
        try await withThrowingTaskGroup(of: Void.self) { group in
          var count = 0
          for try await client in clients {
            if count == Self.mostConnections { try await group.next() } else { count += 1 }
            group.addTask { await carry(client, by: plexus) }
          }
        }
      }
    }
  }

  /// A browser's connection, carried over a stream until either ends.
  private func carry(_ client: NIOAsyncChannel<ByteBuffer, ByteBuffer>, by plexus: Plexus) async {
    do {
      try await client.executeThenClose { fromClient, toClient in
        let stream = try await plexus.invite(peer).openStream()
        do {
          try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for try await bytes in fromClient { try await stream.write(bytes) } }
            group.addTask { for try await bytes in stream { try await toClient.write(bytes) } }
            defer { group.cancelAll() }
            try await group.next()
          }
        } catch {
          await stream.close()
          throw error
        }
        await stream.close()
      }
    } catch is CancellationError {
    } catch {
      say("\(error)")
    }
  }
}

/// What went wrong, in one sentence.
struct HTTPFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
