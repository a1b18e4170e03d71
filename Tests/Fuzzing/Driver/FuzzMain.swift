import Glibc
import LibFuzzer

/// `PlexusFuzz TARGET [libFuzzer's options] [FOLDER …]`: lets libFuzzer look for inputs that break a target.
@main
struct FuzzMain {
  /// libFuzzer takes a C function, which can hold no state.
  nonisolated(unsafe) static var target: FuzzTarget?

  static func main() {
    let names = FuzzTarget.all.map(\.name)
    guard CommandLine.arguments.count > 1,
      let target = FuzzTarget.all.first(where: { $0.name == CommandLine.arguments[1] })
    else {
      print("give one of these targets first, then libFuzzer's options: \(names.joined(separator: " "))")
      exit(64)
    }
    Self.target = target
    // The rest of the arguments, behind the name of the program, is libFuzzer's.
    let arguments = CommandLine.unsafeArgv
    arguments[1] = arguments[0]
    var count = CommandLine.argc - 1
    var rest: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments.advanced(by: 1)
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
