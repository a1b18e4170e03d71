import Tubus
import Wormhole

extension Settings {
  /// How long and how often the tunnel is tried for.
  var policy: TunnelPolicy {
    var policy = TunnelPolicy()
    policy.isRetrying = isRetrying
    return policy
  }

  /// How a side's tubus behaves.
  func tubusConfiguration(for side: TubusTunnel.Side) -> TubusConfiguration {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    configuration.linkTimeout = policy.patience
    // Who accepts need not notice that the other end is gone: a new one replaces it at once. And a C++ importer, which says something of
    // its own every 30 s only, is not to be taken for dead.
    guard isRetrying, side == .connecting else { return configuration }
    // Every exporter answers each ping at once, the C++ one too: four in a row have to get lost before a tunnel that works is built again. As
    // long as new clients wait for a far end that says nothing; connections survive what is shorter.
    configuration.keepaliveInterval = .seconds(3)
    configuration.silenceTimeout = .seconds(12)
    // A link is asked for ten times a second for so long; then it is said that nobody answers, and tried again.
    configuration.linkTimeout = .seconds(10)
    return configuration
  }
}
