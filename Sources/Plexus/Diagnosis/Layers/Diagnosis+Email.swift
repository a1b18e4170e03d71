import RendezvousEmail

extension Diagnosis {
  /// Both mail servers, at once, up to the login and the inbox.
  func examineEmail(_ email: EmailConfiguration, _ tell: @escaping Tell) async {
    let probe = EmailProbe(email)
    await withTaskGroup(of: Void.self) { group in
      for server in EmailProbe.Server.allCases {
        group.addTask {
          do {
            let time = try await probe.check(server)
            let inbox = server == .imap ? " and opens the inbox" : ""
            tell(
              DiagnosisFinding(
                .email, .ok, "\(probe.name(of: server)) lets \(email.login) in by TLS\(inbox), in \(time.forPeople)",
                took: time))
          } catch is CancellationError {
          } catch {
            tell(DiagnosisFinding(.email, .problem, "\(error)"))
          }
        }
      }
    }
  }
}
