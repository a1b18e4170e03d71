import FoundationEssentials
import LibC
import Logging

/// What the repository holds under one name, usable or not.
public struct RepositoryEntry: Sendable {
  /// The name, by its folders.
  public let name: IdentityName
  /// Whether a private key lies beside the certificate.
  public let hasPrivateKey: Bool
  /// The certificate, when it can be read, even one that is not valid now.
  public let identity: PeerIdentity?
  /// Why it cannot be used; nil where all is well.
  public let problem: IdentityError?

  /// The certificate, if it can be used.
  public var usable: PeerIdentity? { problem == nil ? identity : nil }
}

extension ApplicationRepository {
  /// How many folders one listing looks at, so that a repository gone wild costs bounded time.
  static let maximumFolders = 16_384
  /// How many identities one listing gives, so that they cost bounded memory: about 4 KB each.
  static let maximumIdentities = 4_096
  /// How the folders begin in which new identities are made before they get their names.
  static let temporaryPrefix = ".plexus-"

  /// What the repository holds under the names that `pattern` means, sorted by name: at most 4,096 entries out of at
  /// most 16,384 folders; a warning tells when there are more.
  public func entries(
    matching pattern: IdentityPattern, at date: Date = Date(), logger: Logger? = nil
  ) throws -> [RepositoryEntry] {
    try names(matching: pattern, logger: logger).map { name in
      let entry = entry(name, at: date)
      if let problem = entry.problem {
        logger?.debug("identity skipped", metadata: ["event": "identity.skipped", "reason": "\(problem)"])
      }
      return entry
    }
  }

  /// What the repository holds under `name`.
  public func entry(_ name: IdentityName, at date: Date = Date()) -> RepositoryEntry {
    let hasPrivateKey = access(keyPath(name), F_OK) == 0
    do {
      let identity = try readCertificate(name).identity
      do {
        try identity.checkValidity(at: date)
        return RepositoryEntry(name: name, hasPrivateKey: hasPrivateKey, identity: identity, problem: nil)
      } catch {
        return RepositoryEntry(
          name: name, hasPrivateKey: hasPrivateKey, identity: identity, problem: IdentityError(wrapping: error))
      }
    } catch {
      return RepositoryEntry(
        name: name, hasPrivateKey: hasPrivateKey, identity: nil, problem: IdentityError(wrapping: error))
    }
  }

  /// The names under which a `cert.crt` lies and that `pattern` means, sorted.
  func names(matching pattern: IdentityPattern, logger: Logger?) throws -> [IdentityName] {
    if let name = pattern.exactName {
      return access(certificatePath(name), F_OK) == 0 ? [name] : []
    }
    var budget = Self.maximumFolders
    var names: [IdentityName] = []
    let owners: [String]
    if let owner = pattern.owner {
      owners = [owner]
    } else {
      guard let all = subfolders(of: path, budget: &budget) else {
        throw IdentityError(
          .repositoryUnusable, "cannot read the application repository \(path): \(systemMessage(errno))")
      }
      owners = all
    }
    for owner in owners {
      let pins = pattern.pin.map { [$0] } ?? subfolders(of: "\(path)/\(owner)", budget: &budget) ?? []
      for pin in pins {
        guard let name = try? IdentityName(owner: owner, pin: pin), access(certificatePath(name), F_OK) == 0 else {
          continue
        }
        names.append(name)
      }
    }
    if budget == 0 || names.count > Self.maximumIdentities {
      logger?.warning(
        "the application repository has more folders than are looked at; split it",
        metadata: ["event": "identity.too-many-folders", "path": "\(path)", "identities": "\(names.count)"])
    }
    return Array(names.sorted().prefix(Self.maximumIdentities))
  }

  /// The names in a folder that may be those of folders; nil, with `errno` set, when it cannot be read.
  private func subfolders(of folder: String, budget: inout Int) -> [String]? {
    guard let directory = opendir(folder) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while budget > 0, let entry = readdir(directory) {
      let kind = Int(entry.pointee.d_type)
      guard kind == DT_DIR || kind == DT_LNK || kind == DT_UNKNOWN else { continue }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { bytes in
        bytes.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: bytes.pointee)) {
          String(validatingCString: $0)
        }
      }
      guard let name, name != ".", name != "..", !name.hasPrefix(Self.temporaryPrefix) else { continue }
      budget -= 1
      names.append(name)
    }
    return names
  }
}

extension IdentityError {
  /// `error` itself if it is one of ours.
  init(wrapping error: any Error) {
    self = error as? IdentityError ?? IdentityError(.notACertificate, "\(error)")
  }
}
