import NIOCore

/// Gives a tubus channel's ``TubusStatistics``; it cannot be set.
public struct TubusStatisticsOption: ChannelOption, Sendable {
  /// The type of the value.
  public typealias Value = TubusStatistics
  /// The option.
  public init() {}
}

extension ChannelOption where Self == TubusStatisticsOption {
  /// A tubus channel's counters as they are.
  public static var tubusStatistics: TubusStatisticsOption { TubusStatisticsOption() }
}

extension Channel {
  /// A tubus channel's counters as they are; nil for any other channel, where asking for the option would trap. To be called on
  /// the channel's event loop.
  public var tubusStatistics: TubusStatistics? {
    eventLoop.preconditionInEventLoop()
    return (self as? TubusChannel)?.connection.statistics
  }
}
