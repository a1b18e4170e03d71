import RendezvousDHT
import RendezvousEmail

/// The version of this package, and of the libraries of the system that it uses.
public enum PlexusVersion {
  /// As in CHANGELOG.md.
  public static let current = "0.1.0"
  /// The version of the OpenDHT that is loaded.
  public static var openDHT: String { OpenDHTVersion.current }
  /// The version of the OpenSSL whose libcrypto is loaded.
  public static var openSSL: String { OpenSSLVersion.current }
}
