/// Nothing. A struct that has it is always passed by its address.
///
/// The compiler holds a borrowed noncopyable value as one of all its fields together, unless its layout forbids that, and
/// checks each use of it field by field. Where there are hundreds, as ``MachineState`` has, the time for that, which grows
/// with their square, was a third of the time of a build (Swift 6.3.1). An existential is what forbids it.
struct PassedByAddress {
  private let nothing: Any? = nil
}
