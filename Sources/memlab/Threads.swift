import Glibc
import Synchronization

/// Work on several threads.
enum Threads {
  /// Processors that there are.
  static var available: Int { max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1) }

  /// Calls the body once with each index, on so many threads, in the order of the indices as threads become free.
  static func forEach(_ count: Int, jobs: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let work = Work(count: count, body)
    var started: [pthread_t] = []
    for _ in 1..<max(min(jobs, count), 1) {
      var thread = pthread_t()
      // SAFETY: the new thread takes over the reference that is retained here.
      let argument = unsafe Unmanaged.passRetained(work)
      let failure = unsafe pthread_create(
        &thread, nil,
        { pointer in
          if let pointer = unsafe pointer { unsafe Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run() }
          return nil
        }, argument.toOpaque())
      if failure == 0 { started.append(thread) } else { unsafe argument.release() }
    }
    // This thread is one of them, and the only one if no other could be had.
    work.run()
    for thread in started { pthread_join(thread, nil) }
  }

  /// Lets a thread run beside the program until the program ends or the body returns.
  static func detach(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    // SAFETY: as above.
    let argument = unsafe Unmanaged.passRetained(Work(count: 1) { _ in body() })
    let failure = unsafe pthread_create(
      &thread, nil,
      { pointer in
        if let pointer = unsafe pointer { unsafe Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run() }
        return nil
      }, argument.toOpaque())
    if failure == 0 { pthread_detach(thread) } else { unsafe argument.release() }
  }

  private final class Work: Sendable {
    private let count: Int
    private let body: @Sendable (Int) -> Void
    private let next = Atomic(0)

    init(count: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.count = count
      self.body = body
    }

    func run() {
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        if index >= count { return }
        body(index)
      }
    }
  }
}
