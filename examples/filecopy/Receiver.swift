import Crypto
import ExampleSupport
import FoundationEssentials
import Glibc
import Plexus

/// Puts files of peers into one folder, and nowhere else.
struct Receiver: Sendable {
  private let folder: String
  private let largest: UInt64

  init(folder: String, largest: UInt64) throws {
    var isFolder = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder else {
      throw CopyFailure("there is no folder \(folder); make it")
    }
    (self.folder, self.largest) = (folder, largest)
  }

  /// Takes files until the peer ends the stream.
  func receive(over stream: PassageStream) async throws {
    var portions = Portions(stream)
    while let text = try await portions.nextText() {
      let offer: Offer
      do { offer = try acceptable(text) } catch {
        try await stream.write(text: "\(error)")
        throw error
      }
      try await stream.write(text: "ok")
      do { try await store(offer, from: &portions) } catch is CancellationError {
        throw CancellationError()
      } catch {
        // For a sender that waits; one that has gone does not mind.
        try? await stream.write(text: "\(error)")
        throw error
      }
      try await stream.write(text: "ok")
      say("\(stream.peer): \(printable(offer.name)) is there, \(offer.size) bytes")
    }
  }

  /// Believes nothing that the peer says of a file.
  private func acceptable(_ text: String) throws -> Offer {
    guard let offer = try? JSONDecoder().decode(Offer.self, from: Data(text.utf8)) else {
      throw CopyFailure("that is no offer of a file")
    }
    // A name is one step into the folder: no path, nothing hidden.
    let name = offer.name.utf8
    guard (1...255).contains(name.count), !name.contains(UInt8(ascii: "/")), !name.contains(0),
      name.first != UInt8(ascii: ".")
    else { throw CopyFailure("a file cannot have the name “\(printable(offer.name))” here") }
    guard offer.size <= largest else { throw CopyFailure("more than \(largest) bytes are not taken") }
    guard !FileManager.default.fileExists(atPath: "\(folder)/\(offer.name)") else {
      throw CopyFailure("there is a file of this name already")
    }
    return offer
  }

  /// Writes a file under a name of our own, and gives it the peer's when all of it is there and right.
  private func store(_ offer: Offer, from portions: inout Portions) async throws {
    let temporary = "\(folder)/.filecopy-\(UUID().uuidString)"
    defer { unlink(temporary) }
    let file = try await DiskFile.creating(temporary)
    var hash = SHA256()
    var progress = Progress(offer)
    while progress.left > 0 {
      guard let bytes = try await portions.next(upTo: Int(min(progress.left, 1 << 18))) else {
        throw CopyFailure("the stream ended in the middle of \(printable(offer.name))")
      }
      bytes.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
      try await file.write(bytes)
      progress.add(bytes.readableBytes)
    }
    guard try await portions.next(SHA256.byteCount) == Array(hash.finalize()) else {
      throw CopyFailure("what arrived is not what was sent")
    }
    // Fails where there is such a file by now, and follows no link.
    guard link(temporary, "\(folder)/\(offer.name)") == 0 else {
      throw CopyFailure("the file cannot be put into the folder: \(String(cString: strerror(errno)))")
    }
  }
}
