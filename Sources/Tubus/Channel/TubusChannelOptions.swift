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
