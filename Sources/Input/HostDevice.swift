// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A keyboard, mouse or tablet of this host (/dev/input/eventN) that is handed to a guest: what it is and can do is
// asked once, its events are passed on as they come. The numbers are those of <linux/input.h>.

public import InputProtocol
public import Linux
internal import Wire

public final class HostDevice: Sendable {
  /// struct input_event: two 64-bit words of time, then what virtio-input has too.
  static let eventByteCount = 24
  private static let timeByteCount = 16

  private let descriptor: SharedDescriptor

  /// - Parameter descriptor: opened for reading and, for lights, writing.
  public init(_ descriptor: SharedDescriptor) throws(Errno) {
    try descriptor.file.setNonBlocking(true)
    self.descriptor = descriptor
  }

  // MARK: What it is

  /// _IOC(dir, 'E', number, size) of <asm-generic/ioctl.h>.
  private static func request(reads: Bool, _ number: UInt, _ byteCount: UInt) -> UInt {
    (reads ? 2 : 1) << 30 | byteCount << 16 | 0x45 << 8 | number
  }

  private func ask(_ number: UInt, byteCount: Int) -> [UInt8]? {
    let scratch = Scratch(byteCount: byteCount)
    scratch.segment.zero()
    let request = HostDevice.request(reads: true, number, UInt(byteCount))
    guard (try? descriptor.file.control(request, scratch.segment)) != nil else { return nil }
    return scratch.segment.bytes()
  }

  /// Nil if it is no input device.
  public func identity() -> InputIdentity? {
    let longest = InputConfiguration.longestAnswer
    // EVIOCGID.
    guard let ids = ask(0x02, byteCount: InputDeviceIDs.byteCount) else { return nil }
    func text(_ number: UInt) -> String {
      String(decoding: (ask(number, byteCount: longest) ?? []).prefix { $0 != 0 }, as: UTF8.self)
    }
    func bitmap(_ number: UInt) -> [UInt8] {
      let bytes = ask(number, byteCount: longest) ?? []
      return Array(bytes.prefix((bytes.lastIndex { $0 != 0 } ?? -1) + 1))
    }
    // EVIOCGNAME, EVIOCGUNIQ, EVIOCGPROP.
    var identity = InputIdentity(name: text(0x06))
    identity.serial = text(0x08)
    identity.properties = bitmap(0x09)
    let words = stride(from: 0, to: ids.count, by: 2).map { UInt16(ids[$0 + 1]) << 8 | UInt16(ids[$0]) }
    identity.ids = InputDeviceIDs(busType: words[0], vendor: words[1], product: words[2], version: words[3])
    // EVIOCGBIT: 0 lists the types themselves, which the driver finds out by asking for each.
    for type in UInt8(1)...0x1f {
      let codes = bitmap(0x20 + UInt(type))
      if !codes.isEmpty { identity.events[type] = codes }
    }
    let types = bitmap(0x20)
    if types.count > 2, types[2] & 1 << 4 != 0 { identity.events[UInt8(InputEventType.repeat)] = [0] }
    let absolute = identity.events[UInt8(InputEventType.absolute)] ?? []
    for axis in 0..<UInt8(min(absolute.count * 8, 0x40)) where absolute[Int(axis) / 8] & 1 << (axis % 8) != 0 {
      identity.axes[axis] = information(axis)
    }
    return identity
  }

  /// EVIOCGABS: struct input_absinfo begins with the value of the moment, which virtio leaves out.
  private func information(_ axis: UInt8) -> InputAbsoluteInformation? {
    guard let bytes = ask(0x40 + UInt(axis), byteCount: 24) else { return nil }
    let words = stride(from: 0, to: bytes.count, by: 4).map { start in
      bytes[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    return InputAbsoluteInformation(
      minimum: words[1], maximum: words[2], fuzz: words[3], flat: words[4], resolution: words[5])
  }

  /// How long `grab` waits for keys to be let go of.
  private static let grabPatienceNanoseconds: Int64 = 2_000_000_000

  /// EVIOCGRAB: from now on nobody else hears of its events, and nobody of those that came before. Waits a moment for
  /// keys that are down, such as the Return with which this program was started: this host would never hear that it was
  /// let go of, and repeat it for ever.
  public func grab() throws(Errno) {
    let deadline = Clock.monotonic + HostDevice.grabPatienceNanoseconds
    while !heldKeys().isEmpty, Clock.monotonic < deadline {
      _ = Poll.wait(nil, nil, timeoutNanoseconds: 10_000_000)
    }
    let one = Scratch(byteCount: 4)
    one.segment.store(UInt32(1))
    try descriptor.file.control(HostDevice.request(reads: false, 0x90, 4), one.segment)
    let stale = Scratch(byteCount: HostDevice.eventByteCount * 64)
    do throws(Errno) {
      while try descriptor.file.read(into: stale.segment) > 0 {}
    } catch .tryAgain {
      return
    }
  }

  /// EVIOCGKEY: the keys and buttons that are down; none of a device that does not say.
  private func heldKeys() -> Set<UInt16> {
    let bytes = ask(0x18, byteCount: InputConfiguration.longestAnswer) ?? []
    var keys = Set<UInt16>()
    for (index, byte) in bytes.enumerated() where byte != 0 {
      for bit in 0..<8 where byte & 1 << bit != 0 { keys.insert(UInt16(index * 8 + bit)) }
    }
    return keys
  }

  // MARK: Its events

  /// Passes reports on until the device is gone or `stopped` is readable: keys that are down then are let go of.
  public func run(stopped: File? = nil, _ report: ([InputEvent]) -> Void) {
    let scratch = Scratch(byteCount: HostDevice.eventByteCount * 64)
    var assembly = ReportAssembly()
    defer {
      let released = assembly.catchUp(with: [])
      if !released.isEmpty { report(released) }
    }
    while true {
      let ready = Poll.wait(descriptor.file, stopped)
      if !ready.second.isEmpty { return }
      do throws(Errno) {
        let count = try descriptor.file.read(into: scratch.segment)
        if count == 0 { return }
        for start in stride(from: 0, through: count - HostDevice.eventByteCount, by: HostDevice.eventByteCount) {
          guard let event = scratch.segment.load(InputEvent.self, at: start + HostDevice.timeByteCount) else { break }
          switch assembly.add(event) {
          case .incomplete: continue
          case .complete(let events): report(events)
          case .lost:
            let events = assembly.catchUp(with: heldKeys())
            if !events.isEmpty { report(events) }
          }
        }
      } catch .tryAgain {
        continue
      } catch {
        return
      }
    }
  }

  /// Lights a light. What the device refuses, it has not. Nothing else is passed on: to the host a key that is written
  /// counts as one that was pressed, and the guest chooses the numbers.
  public func write(_ event: InputEvent) {
    guard event.type == InputEventType.led || event.type == InputEventType.synchronize && event.code == 0 else {
      return
    }
    let scratch = Scratch(byteCount: HostDevice.eventByteCount)
    scratch.segment.zero()
    scratch.segment.store(event, at: HostDevice.timeByteCount)
    _ = try? descriptor.file.write(scratch.segment)
  }
}
