import CTun
import LibC

/// A `PathLoop` that runs on its thread from `init` to `stop()`.
final class PathEmulator: Sendable {
  private let control: PathControl
  private let left: Int32
  private let right: Int32
  private let thread: pthread_t

  /// Makes the device `device` in both namespaces and starts to carry packets.
  ///
  /// - Throws: ``LabError`` with code ``LabError/Code/setupFailed``.
  init(
    device: String, left leftNamespace: String, right rightNamespace: String, conditions: PathConditions, seed: UInt64
  ) throws(LabError) {
    control = try PathControl()
    left = try Self.open(device, in: leftNamespace)
    do {
      right = try Self.open(device, in: rightNamespace)
    } catch {
      close(left)
      throw error
    }
    let start = Unmanaged.passRetained(
      Start(left: left, right: right, conditions: conditions, seed: seed, control: control))
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, start.toOpaque())
    self.thread = thread
    guard error == 0 else {
      start.release()
      close(left)
      close(right)
      throw LabError(.setupFailed, "a path's thread could not be started: \(String(cString: strerror(error)))")
    }
  }

  /// What has happened so far.
  var counters: PathCounters { control.counters }

  /// Goes on under other conditions.
  func change(to conditions: PathConditions) { control.change(to: conditions) }

  /// Ends the thread, which takes some microseconds, and closes the devices. To be called once, last.
  func stop() {
    control.stop()
    pthread_join(thread, nil)
    close(left)
    close(right)
  }

  private static func open(_ device: String, in namespace: String) throws(LabError) -> Int32 {
    let tun = plexus_tun_open("/run/netns/\(namespace)", device)
    guard tun >= 0 else {
      throw LabError(
        .setupFailed,
        "the device \(device) could not be made in \(namespace): \(String(cString: strerror(-tun))); is there /dev/net/tun?"
      )
    }
    return tun
  }

  /// What the thread gets.
  private final class Start {
    let left: Int32
    let right: Int32
    let conditions: PathConditions
    let seed: UInt64
    let control: PathControl

    init(left: Int32, right: Int32, conditions: PathConditions, seed: UInt64, control: PathControl) {
      self.left = left
      self.right = right
      self.conditions = conditions
      self.seed = seed
      self.control = control
    }

    func run() {
      var loop = PathLoop(left: left, right: right, conditions: conditions, seed: seed, control: control)
      loop.run()
    }
  }
}
