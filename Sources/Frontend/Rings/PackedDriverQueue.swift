// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver's side of a packed virtqueue (VIRTIO 1.3 section 2.8), written from the specification with absolute
// counters where the device's side has positions and wrap bits: descriptor number N of the queue's life lies at N
// modulo the size, in round N divided by the size, whose wrap counter is 1 in even rounds. It trusts nothing that the
// device can write. Taking back and waiting is in PackedDriverQueue+Used.swift.

public import Linux
public import VhostUserProtocol
public import VirtioProtocol
internal import Wire

/// One packed queue of a driver. Has one owner: nothing here is locked.
public final class PackedDriverQueue {
  /// The queue's number at its device.
  public let index: Int
  /// Number of descriptors, not necessarily a power of two.
  public let size: Int
  public let ram: GuestRAM
  public let usesIndirect: Bool
  public let usesEventIndex: Bool

  public let descriptors: GuestBuffer
  /// The driver's and the device's event suppression areas.
  public let driverEvent: GuestBuffer
  public let deviceEvent: GuestBuffer

  /// Signalled by the driver.
  public let kickEvent: Event
  /// Signalled by the device after it used buffers.
  public let callEvent: Event
  /// Signalled by the device when it gives the queue up.
  public let errorEvent: Event

  struct Chain {
    var descriptorCount = 0
    var token: UInt64 = 0
    var table: GuestBuffer?
  }

  /// Chains in the device's hands, by buffer id.
  var chains: [Chain]
  var freeIDs: [UInt16]
  /// Descriptors that were ever added, shown to the device, and taken back.
  public internal(set) var added = 0
  public internal(set) var published = 0
  public internal(set) var taken = 0
  /// What was added first since the last `publish` and shows all of it: its place in the ring and its flags.
  private var held: (place: Int, flags: UInt16)?
  /// Where the device goes on when it is started: what SET_VRING_BASE says.
  public var resumeBase = PackedBase.start

  /// Makes a ring in `ram`.
  /// - Parameters:
  ///   - size: number of descriptors to 32768.
  ///   - features: what was negotiated; INDIRECT_DESC and EVENT_IDX count.
  public init(index: Int, size: Int, ram: GuestRAM, features: VirtioFeatures) throws(FrontendError) {
    precondition(size > 0 && size <= 32768, "a packed ring has 1 to 32768 descriptors")
    self.index = index
    self.size = size
    self.ram = ram
    usesIndirect = features.contains(.indirectDescriptors)
    usesEventIndex = features.contains(.eventIndex)
    descriptors = try ram.allocate(16 * size, alignment: 16)
    driverEvent = try ram.allocate(4, alignment: 4)
    deviceEvent = try ram.allocate(4, alignment: 4)
    kickEvent = try onHost(Event.init)
    callEvent = try onHost(Event.init)
    errorEvent = try onHost(Event.init)
    chains = Array(repeating: Chain(), count: size)
    freeIDs = (0..<size).map { UInt16($0) }.reversed()
  }

  /// Descriptors that are free.
  public var freeCount: Int { size - (added - taken) }

  /// Chains that the device has and did not use yet.
  public var outstandingCount: Int { chains.count { $0.descriptorCount > 0 } }

  /// The ring's addresses for SET_VRING_ADDR.
  public func addresses(flags: VringAddressFlags = []) -> VringAddress {
    let user = [descriptors, deviceEvent, driverEvent].map { ram.userAddress(of: $0.guestAddress) ?? .max }
    return VringAddress(
      index: UInt32(index), flags: flags, descriptor: user[0], used: user[1], available: user[2],
      log: deviceEvent.guestAddress)
  }

  /// The wrap counter of a descriptor's round.
  func wrap(_ number: Int) -> Bool { number / size % 2 == 0 }

  func place(_ number: Int) -> Int { number % size }

  /// Adds a chain: first what the device reads, then what it writes. The device does not see it before `publish`.
  /// - Parameters:
  ///   - token: comes back with the used chain.
  ///   - indirect: into an indirect table; nil means if negotiated and the chain has more than one buffer.
  /// - Returns: the buffer id.
  @discardableResult
  public func add(
    readable: [GuestBuffer], writable: [GuestBuffer], token: UInt64 = 0, indirect: Bool? = nil
  ) throws(FrontendError) -> UInt16 {
    let count = readable.count + writable.count
    precondition(count > 0, "a chain has at least one buffer")
    let indirect = indirect ?? (usesIndirect && count > 1)
    guard freeCount >= (indirect ? 1 : count), let id = freeIDs.popLast() else { throw .queueFull }
    var buffers = (readable.map { ($0, false) } + writable.map { ($0, true) }).map { buffer, isWritable in
      PackedDescriptor(
        address: buffer.guestAddress, length: UInt32(buffer.count), flags: isWritable ? DescriptorFlags.write : 0)
    }
    var chain = Chain(token: token)
    if indirect {
      let table = try ram.allocate(16 * count)
      for (position, descriptor) in buffers.enumerated() { table.segment.store(descriptor, at: 16 * position) }
      chain.table = table
      buffers = [
        PackedDescriptor(
          address: table.guestAddress, length: UInt32(16 * count), flags: DescriptorFlags.indirect)
      ]
    }
    chain.descriptorCount = buffers.count
    chains[Int(id)] = chain
    store(buffers, id: id)
    return id
  }

  /// Writes a list into the ring, its first flags last (2.8.21).
  private func store(_ list: [PackedDescriptor], id: UInt16) {
    let first = added
    var head: UInt16 = 0
    for (offset, descriptor) in list.enumerated() {
      let number = first + offset
      var flags = descriptor.flags | (wrap(number) ? 1 << 7 : 1 << 15)
      if offset + 1 < list.count { flags |= DescriptorFlags.next }
      var descriptor = descriptor
      descriptor.id = id
      if offset == 0 {
        head = flags
        // The flags that stand there already are those of the round before: not available.
        descriptor.flags = descriptors.segment.loadAcquiring(at: 16 * place(number) + 14)
      } else {
        descriptor.flags = flags
      }
      descriptors.segment.store(descriptor, at: 16 * place(number))
    }
    added += list.count
    if held == nil {
      held = (place(first), head)
    } else {
      descriptors.segment.storeReleasing(head, at: 16 * place(first) + 14)
    }
  }

  /// Lets the device see what was added.
  /// - Returns: true if the device wants a kick.
  @discardableResult
  public func publish() -> Bool {
    guard let (place, flags) = held else { return false }
    held = nil
    let old = published
    published = added
    descriptors.segment.storeReleasing(flags, at: 16 * place + 14)
    fullFence()
    let wanted = deviceEvent.segment.loadAcquiring(at: 0)
    switch deviceEvent.segment.loadAcquiring(at: 2) & 3 {
    case 1: return false
    case 2:
      // The round of the newest descriptor, or the one before it.
      let round = added / size * size
      let isThisRound = (wanted >> 15 != 0) == wrap(added)
      let event = Int(wanted & 0x7fff) + (isThisRound ? round : round - size)
      return old <= event && event < added
    default: return true
    }
  }

  /// Publishes, and kicks if the device wants it.
  public func submit() {
    if publish() { kick() }
  }

  /// Signals the kick eventfd.
  public func kick() {
    kickEvent.signal()
  }

  /// Writes any descriptor into the ring: what a broken driver does. Afterwards the queue's own books are wrong.
  public func poke(_ descriptor: PackedDescriptor, at place: Int) {
    descriptors.segment.store(descriptor, at: 16 * place)
  }
}
