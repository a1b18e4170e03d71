import FoundationEssentials
import HolePunching
import Identity
import Rendezvous

/// The passages of an identity that failed of late: lines of JSON in the file `failures-ID` of the state folder, mode 0600, oldest first.
struct FailureMemory: Sendable {
  /// Enough for a day on which nothing works, few enough to be read and written at once.
  static let maximumEntries = 50
  /// What a file of that many may have at most; of a longer one the end counts.
  private static let maximumBytes = 256 * 1024

  private let folder: String
  private let path: String

  init(folder: String, own: CertificateID) { (self.folder, path) = (folder, "\(folder)/failures-\(own)") }

  /// Adds a failure. Where the file cannot be written nothing is remembered: to say why a passage failed matters more.
  func add(_ failure: FailedPassage) {
    do {
      try LockedFile.makeFolder(folder)
      let file = try LockedFile(path)
      let kept = try Self.entries(of: file).suffix(Self.maximumEntries - 1)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      let lines = try (kept + [failure]).map { try encoder.encode($0) + [0x0A] }
      try file.replace(with: lines.flatMap(\.self))
    } catch {}
  }

  /// The failures that are remembered, oldest first. Lines that are none are skipped.
  func entries() -> [FailedPassage] {
    // Who only looks makes no file.
    guard FileManager.default.fileExists(atPath: path), let file = try? LockedFile(path) else { return [] }
    return (try? Self.entries(of: file)) ?? []
  }

  private static func entries(of file: borrowing LockedFile) throws -> [FailedPassage] {
    let bytes = try file.read(from: max(0, file.length - maximumBytes), count: maximumBytes)
    let decoder = JSONDecoder()
    let lines = bytes.split(separator: 0x0A).suffix(maximumEntries)
    return lines.compactMap { try? decoder.decode(FailedPassage.self, from: Data($0)) }
  }
}

extension Plexus {
  /// The last 50 passages of this identity that failed, oldest first, also those of other processes with the same
  /// ``PlexusConfiguration/stateFolder``.
  public func failedPassages() -> [FailedPassage] { failures.entries() }

  var failures: FailureMemory {
    FailureMemory(folder: configuration.stateFolder, own: identity.identity.certificateID)
  }

  /// Keeps the reason for ``failedPassages()``; cancellations are none.
  func remember(_ error: any Error, with peer: IdentityName, as role: PunchRole) {
    guard !(error is CancellationError), !Task.isCancelled else { return }
    failures.add(FailedPassage(PlexusError(error), with: peer, as: role, at: Date()))
  }
}
