import Datagrams
import HolePunching
import Logging
import Metrics
import STUN

/// Tells what happens: to people and scripts as log lines, to monitoring as counters. docs/logs.md lists both.
struct Telemetry: Sendable {
  let logger: Logger
  let metrics: any MetricsFactory

  func tell(_ event: PassageEvent) {
    var fields = event.fields
    fields["event"] = "\(event.name)"
    logger.log(level: event.level, "\(event.sentence)", metadata: fields)
    count(event)
  }

  /// Counts a failure that is thrown to the caller, who tells it.
  func countFailure(_ error: PlexusError, of role: PunchRole) {
    counter("plexus_failures_total", ("role", role.rawValue), ("reason", error.code.rawValue)).increment()
  }

  private func count(_ event: PassageEvent) {
    switch event {
    case .mapped(let report): metrics.countExploration(report.mapping)
    case .surveyFailed(let error): if error.code != .symmetricNAT { metrics.countExploration(nil) }
    case .portMapping(let event):
      if let (mappingProtocol, outcome) = event.counted {
        counter("plexus_port_mappings_total", ("protocol", mappingProtocol.rawValue), ("outcome", outcome)).increment()
      }
    case .inviting: invite("sent")
    case .inviteReceived: invite("received")
    case .passageMade(_, let role, let time):
      counter("plexus_passages_total", ("role", role.rawValue)).increment()
      Timer(label: "plexus_passage_time", dimensions: [("role", role.rawValue)], factory: metrics)
        .recordNanoseconds(time.nanoseconds)
    case .passageFailed(_, let role, let error): countFailure(error, of: role)
    case .keyPermissions, .accepting, .dht, .email, .joined, .joinFailed, .serverUnresolved, .serverFailed,
      .mappingChanged, .answered,
      .punched, .pathFound, .announced, .adventReceived, .tunnelUp, .tunnelEnded, .streamObscured, .pathSuspect,
      .pathRecovered, .pathRenewed, .pathNotRenewed, .payloadStarted,
      .payloadEnded:
      break
    }
  }

  private func invite(_ direction: String) { counter("plexus_invites_total", ("direction", direction)).increment() }

  private func counter(_ label: String, _ dimensions: (String, String)...) -> Counter {
    Counter(label: label, dimensions: dimensions, factory: metrics)
  }
}

extension MetricsFactory {
  /// Counts a look at the own network; nil when no server answered.
  func countExploration(_ mapping: MappingBehavior?) {
    let outcome = mapping.map { $0.isSymmetric == true ? "symmetric" : "mapped" } ?? "failed"
    Counter(label: "plexus_explorations_total", dimensions: [("outcome", outcome)], factory: self).increment()
  }
}
