import Datagrams

/// A cell of a matrix: what must hold in every schedule.
public struct MatrixCell: Sendable, CustomStringConvertible {
  /// What is special about this cell, in words.
  public let description: String
  /// Plays the schedule of a seed, and tells what is wrong with it; nil if nothing is.
  public let complaint: @Sendable (_ seed: UInt64) -> String?

  /// A cell.
  public init(_ description: String, complaint: @escaping @Sendable (_ seed: UInt64) -> String?) {
    (self.description, self.complaint) = (description, complaint)
  }

  /// Plays a number of schedules, or the one of PLEXUS_SEED.
  public func run(schedules: Int) -> ScheduleTally {
    var tally = ScheduleTally(description)
    for seed in TestSeeds.schedules(schedules) { tally.add(complaint(seed), seed: seed) }
    return tally
  }
}

/// Counts the schedules of a cell, keeps the seeds of those that failed, and says so.
public struct ScheduleTally: Sendable, CustomStringConvertible {
  private let cell: String
  /// How many were played.
  public private(set) var schedules = 0
  /// The seeds of those that failed.
  public private(set) var failures: [UInt64] = []
  private var firstComplaint: String?

  /// Nothing so far.
  public init(_ cell: String) { self.cell = cell }

  /// Counts a schedule, and what was wrong with it.
  public mutating func add(_ complaint: String?, seed: UInt64) {
    schedules += 1
    guard let complaint else { return }
    failures.append(seed)
    firstComplaint = firstComplaint ?? complaint
  }

  /// Counts a schedule.
  public mutating func add(_ succeeded: Bool, seed: UInt64) { add(succeeded ? nil : "it failed", seed: seed) }

  /// How many failed, why the first did, and how to play it again.
  public var description: String {
    let replay = failures.first.map { "; \(firstComplaint ?? ""); replay with PLEXUS_SEED=\($0)" } ?? ""
    return "\(cell): \(failures.count) of \(schedules) schedules failed\(replay)"
  }
}
