import Glibc
import Synchronization

/// Tells every run to stop: a signal came, or another run failed. Files are then cleaned up on the way out.
enum Cancellation {
  private static let isRequested = Atomic(false)

  /// Replays look at this once a batch.
  static var isOn: Bool { isRequested.load(ordering: .relaxed) }

  static func request() { isRequested.store(true, ordering: .relaxed) }

  /// The first of these signals asks for the end, a second one brings it at once.
  static func catchSignals() {
    // The flag is made here: a handler must not be the one to initialise it.
    _ = isOn
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { number in
        Cancellation.request()
        signal(number, SIG_DFL)
      }
    }
  }
}
