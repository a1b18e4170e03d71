/// Makes something that a busy machine may spoil until it is as it should be, and gives the last.
///
/// An exploration judges by silence, within seconds. Where every core is taken by other tests for so long, what it says of the machine's load is no
/// fault of its own; that it says the right thing at some time still is to be shown.
///
/// - Parameters:
///   - attempts: How often at most.
///   - pause: Between two of them.
public func tryingAgain<Value>(
  attempts: Int = 15, pause: Duration = .seconds(2), isolation: isolated (any Actor)? = #isolation,
  until isRight: (Value) -> Bool, _ make: () async throws -> Value
) async throws -> Value {
  for _ in 1..<attempts {
    let value = try await make()
    if isRight(value) { return value }
    try await Task.sleep(for: pause)
  }
  return try await make()
}
