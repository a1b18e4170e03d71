import Glibc
import LibFuzzer

/// `PlexusFuzz TARGET [libFuzzer's options] [FOLDER …]`: lets libFuzzer look for inputs that break a target.
@main
struct FuzzMain {
  /// libFuzzer takes a C function, which can hold no state.
  nonisolated(unsafe) static var target: FuzzTarget?

  /// libFuzzer starts this program again, without the name of the target, to merge corpora and to minimise crashes.
  private static let variable = "PLEXUS_FUZZ_TARGET"

  static func main() {
    let inherited = getenv(variable).map { String(cString: $0) }
    guard let name = inherited ?? CommandLine.arguments.dropFirst().first,
      let target = FuzzTarget.all.first(where: { $0.name == name })
    else {
      let names = FuzzTarget.all.map(\.name).joined(separator: " ")
      print("give one of these targets first, then libFuzzer's options: \(names)")
      exit(64)
    }
    Self.target = target
    setenv(variable, name, 1)
    // The rest of the arguments, behind the name of the program, is libFuzzer's.
    let skipped = inherited == nil ? 1 : 0
    let arguments = CommandLine.unsafeArgv
    arguments[skipped] = arguments[0]
    var count = CommandLine.argc - Int32(skipped)
    var rest: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments.advanced(by: skipped)
    exit(
      LLVMFuzzerRunDriver(&count, &rest) { start, count in
        do {
          try FuzzMain.target?.run(Array(UnsafeBufferPointer(start: start, count: count)))
        } catch {
          fatalError("\(error)")
        }
        return 0
      })
  }
}
