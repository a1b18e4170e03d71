import ArgumentParser
import ExampleSupport
import Plexus

/// Copies files to a peer behind its NAT.
@main struct FileCopy: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "filecopy", abstract: "Copy files to a peer.", subcommands: [Send.self, Receive.self])
  static let application = "filecopy example"
}

/// Sends files and waits until the peer has them.
struct Send: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Send files to a peer that receives.")

  @OptionGroup var meeting: MeetingOptions
  @Argument(help: ArgumentHelp("Who is to have them.", valueName: "owner/pin"), transform: IdentityName.init)
  var peer: IdentityName
  @Argument(help: "The files.") var files: [String]

  func run() async throws {
    let plexus = try meeting.plexus(for: FileCopy.application)
    let isDone = try await untilSignal {
      let stream = try await plexus.invite(peer).openStream()
      do {
        var sender = Sender(stream: stream)
        for file in files { try await sender.send(file) }
      } catch {
        await stream.close()
        throw error
      }
      await stream.close()
    }
    guard isDone else { throw CopyFailure("interrupted before \(peer) had everything; start again") }
  }
}

/// Takes files from everyone in the repository, until a signal.
struct Receive: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Take files from peers into a folder.")

  @OptionGroup var meeting: MeetingOptions
  @Option(help: ArgumentHelp("The largest file to take.", valueName: "bytes")) var largest: UInt64 = 16 << 30
  @Argument(help: "Where to put them; what is there is never replaced.") var folder: String

  func run() async throws {
    let plexus = try meeting.plexus(for: FileCopy.application)
    let receiver = try Receiver(folder: folder, largest: largest)
    try await untilSignal {
      say("Waiting for files.")
      try await plexus.accept(from: .any) { passage in
        let stream = try await passage.openStream()
        do { try await receiver.receive(over: stream) } catch { say("\(stream.peer): \(error)") }
        await stream.close()
      }
    }
  }
}

/// What went wrong, in one sentence.
struct CopyFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
