/// The order of last use of any number of things, in which the depth of each is found in O(log n): the LRU stack of
/// Mattson, Gecsei, Slutz & Traiger (IBM Systems Journal 9(2), 1970) with places that have been emptied.
///
/// Each place of the stack has a time, that of its last use, and a Fenwick tree over the times (Fenwick, Software: Practice
/// and Experience 24(3), 1994) counts the places in use: the depth of a thing is one more than the places with later times
/// (Bennett & Kruskal, IBM J. Research and Development 19(4), 1975). When the times run out, the places get new ones.
///
/// A thing that is removed leaves a *hole*. An array of n entries holds what lies in the upper n places; one that has lost
/// an entry has room for another, so a thing that comes to the top fills the uppermost hole above its own place, and what
/// lies below that hole stays where it is; its own place becomes the hole. Without holes, what lies below would rise, into
/// arrays that had evicted it long before.
struct RecencyOrder {
  private static var hole: Int32 { -2 }
  private static var nothing: Int32 { -1 }

  /// By time, from 1: partial sums of places in use.
  private var tree: [Int32] = [0]
  /// By time: the thing, `hole` or `nothing`.
  private var owners: [Int32] = [-1]
  /// By thing: its time, 0 if it is not in the order.
  private var times: [Int32] = []
  /// Times of holes, the latest first: a binary heap.
  private var holes = LatestFirst()
  /// Things and holes.
  private var places = 0
  private var now = 0

  /// 1 for the thing used last. It must be in the order.
  func depth(of thing: Int) -> Int {
    let time = Int(times[thing])
    return time == now ? 1 : places - sum(to: time) + 1
  }

  /// Makes a thing, known or new, the one used last.
  mutating func use(_ thing: Int) {
    while times.count <= thing { times.append(0) }
    let time = times[thing]
    if time != 0 && Int(time) == now { return }
    if let latest = holes.latest, latest > time {
      holes.removeLatest()
      vacate(Int(latest))
      if time != 0 { leaveHole(at: time) }
    } else if time != 0 {
      vacate(Int(time))
    }
    times[thing] = 0
    if now + 1 >= owners.count { renumber() }
    now += 1
    times[thing] = Int32(now)
    owners[now] = Int32(thing)
    places += 1
    add(1, at: now)
  }

  /// Takes a thing out; its place stays, empty.
  mutating func remove(_ thing: Int) {
    leaveHole(at: times[thing])
    times[thing] = 0
  }

  /// Takes everything out, with the places.
  mutating func removeAll() {
    guard places > 0 else { return }
    for index in tree.indices { tree[index] = 0 }
    for index in owners.indices { owners[index] = Self.nothing }
    for index in times.indices { times[index] = 0 }
    holes.removeAll()
    places = 0
    now = 0
  }

  private mutating func leaveHole(at time: Int32) {
    owners[Int(time)] = Self.hole
    holes.insert(time)
  }

  private mutating func vacate(_ time: Int) {
    owners[time] = Self.nothing
    places -= 1
    add(-1, at: time)
  }

  /// Gives the places the first times there are, in their order, and makes room for as many again and more.
  private mutating func renumber() {
    let kept = owners.filter { $0 != Self.nothing }
    var capacity = 1024
    while capacity < 4 * kept.count { capacity *= 2 }
    owners = [Self.nothing] + kept + Array(repeating: Self.nothing, count: capacity - kept.count)
    tree = Array(repeating: 0, count: capacity + 1)
    holes.removeAll()
    now = kept.count
    for time in stride(from: now, to: 0, by: -1) {
      if owners[time] == Self.hole { holes.insert(Int32(time)) } else { times[Int(owners[time])] = Int32(time) }
    }
    for time in 1...capacity {
      if time <= now { tree[time] += 1 }
      let next = time + time & -time
      if next <= capacity { tree[next] += tree[time] }
    }
  }

  private func sum(to time: Int) -> Int {
    var (time, sum) = (time, 0)
    while time > 0 {
      sum += Int(tree[time])
      time &= time - 1
    }
    return sum
  }

  private mutating func add(_ change: Int32, at time: Int) {
    var time = time
    while time < tree.count {
      tree[time] += change
      time += time & -time
    }
  }
}

/// A binary heap of times, the latest at its root (Williams, Communications of the ACM 7(6), 1964).
private struct LatestFirst {
  private var times: [Int32] = []

  var latest: Int32? { times.first }

  mutating func removeAll() { times.removeAll(keepingCapacity: true) }

  mutating func insert(_ time: Int32) {
    var index = times.count
    times.append(time)
    while index > 0, times[(index - 1) / 2] < time {
      times[index] = times[(index - 1) / 2]
      index = (index - 1) / 2
    }
    times[index] = time
  }

  mutating func removeLatest() {
    guard let last = times.popLast(), !times.isEmpty else { return }
    var index = 0
    while 2 * index + 1 < times.count {
      var child = 2 * index + 1
      if child + 1 < times.count && times[child + 1] > times[child] { child += 1 }
      if times[child] <= last { break }
      times[index] = times[child]
      index = child
    }
    times[index] = last
  }
}
