internal import Paging

/// A ring of requests and responses in a page that one domain has granted to another, with the counts that both ends keep for
/// themselves (Xen, public/io/ring.h). Counts run on modulo 2^32; an entry lies at a count modulo the ring's size.
///
/// An entry has 12 bytes, as a network frontend's request for one page (public/io/netif.h): a grant reference, what is to be
/// done, and a number that comes back with the status.
struct IORing {
  struct Request {
    /// Of the frontend's grant table.
    var reference: Int
    /// The device stores to the page.
    var writes: Bool
    var number: UInt32
    /// Where in the ring it lay.
    var slot = 0
  }

  struct Response {
    var number: UInt32
    var isGood: Bool
  }

  /// Fields of the page, by their offsets; entries begin at 64.
  private enum Field: UInt64 {
    case requests = 0
    /// The count of requests from which on the backend wants to be notified, and of responses the frontend.
    case requestEvent = 4
    case responses = 8
    case responseEvent = 12
  }

  let page: MPN
  // The frontend's.
  private var requestsPut: UInt32 = 0
  private var responsesTaken: UInt32 = 0
  // The backend's.
  private var requestsTaken: UInt32 = 0
  private var responsesPut: UInt32 = 0

  /// The largest power of two of entries that a page has room for.
  static var size: UInt32 { 256 }

  init(page: MPN, _ memory: inout MachineMemory) {
    self.page = page
    memory.clear(page)
    set(.requestEvent, 1, &memory)
    set(.responseEvent, 1, &memory)
  }

  private func value(_ field: Field, _ memory: borrowing MachineMemory) -> UInt32 {
    UInt32(memory.readNarrow(MachineAddress(page.address.raw + field.rawValue)))
  }

  private func set(_ field: Field, _ value: UInt32, _ memory: inout MachineMemory) {
    memory.writeNarrow(MachineAddress(page.address.raw + field.rawValue), UInt64(value))
  }

  /// One of the three words of an entry.
  private func place(_ count: UInt32, _ word: UInt64) -> MachineAddress {
    MachineAddress(page.address.raw + 64 + UInt64(count % Self.size) * 12 + word * 4)
  }

  // MARK: The frontend's end

  /// Entries that are free.
  var room: Int { Int(Self.size &- (requestsPut &- responsesTaken)) }

  /// A number that no request under way has.
  var nextNumber: UInt32 { requestsPut % Self.size }

  /// Writes a request, of which the backend does not hear yet.
  mutating func put(_ request: Request, _ memory: inout MachineMemory) {
    memory.writeNarrow(place(requestsPut, 0), UInt64(request.reference))
    memory.writeNarrow(place(requestsPut, 1), request.writes ? 1 : 0)
    memory.writeNarrow(place(requestsPut, 2), UInt64(request.number))
    requestsPut &+= 1
  }

  /// Lets the backend see what has been put. Returns whether it must be notified: it may be at work, and look again by itself.
  func pushRequests(_ memory: inout MachineMemory) -> Bool {
    let old = value(.requests, memory)
    set(.requests, requestsPut, &memory)
    return requestsPut &- value(.requestEvent, memory) < requestsPut &- old
  }

  /// Takes all responses that there are, and wants to hear of the next one.
  mutating func takeResponses(_ memory: inout MachineMemory) -> [Response] {
    var responses: [Response] = []
    while responsesTaken != value(.responses, memory) {
      let (number, status) = (
        memory.readNarrow(place(responsesTaken, 0)), memory.readNarrow(place(responsesTaken, 1))
      )
      responses.append(Response(number: UInt32(number), isGood: status == 0))
      responsesTaken &+= 1
    }
    set(.responseEvent, responsesTaken &+ 1, &memory)
    return responses
  }

  // MARK: The backend's end

  /// Takes all requests that there are, copies that the frontend cannot change any more (XSA-155). nil: the frontend says that there
  /// are more than the ring has room for, and is not believed (RING_REQUEST_PROD_OVERFLOW).
  mutating func takeRequests(_ memory: borrowing MachineMemory) -> [Request]? {
    let end = value(.requests, memory)
    guard end &- responsesPut <= Self.size else { return nil }
    var requests: [Request] = []
    while requestsTaken != end {
      requests.append(
        Request(
          reference: Int(memory.readNarrow(place(requestsTaken, 0))),
          writes: memory.readNarrow(place(requestsTaken, 1)) & 1 != 0,
          number: UInt32(memory.readNarrow(place(requestsTaken, 2))), slot: Int(requestsTaken % Self.size)))
      requestsTaken &+= 1
    }
    return requests
  }

  /// Nothing is left to do: the backend wants to hear of the next request.
  func awaitRequests(_ memory: inout MachineMemory) { set(.requestEvent, requestsTaken &+ 1, &memory) }

  /// Writes a response and lets the frontend see it. Returns whether that must be notified.
  mutating func push(_ response: Response, _ memory: inout MachineMemory) -> Bool {
    memory.writeNarrow(place(responsesPut, 0), UInt64(response.number))
    memory.writeNarrow(place(responsesPut, 1), response.isGood ? 0 : 0xffff_ffff)
    let old = value(.responses, memory)
    responsesPut &+= 1
    set(.responses, responsesPut, &memory)
    return responsesPut &- value(.responseEvent, memory) < responsesPut &- old
  }
}
