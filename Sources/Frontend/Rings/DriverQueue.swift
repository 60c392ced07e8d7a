// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver's side of a split virtqueue (VIRTIO 1.3 section 2.7): it makes chains of descriptors, hands their heads
// over in the available ring and takes them back from the used ring. It trusts nothing that the device can write:
// which descriptors are free is kept in private memory.
// Adding and publishing is here; taking back and waiting is in DriverQueue+Used.swift; lying is in +Hostile.swift.

public import Linux
public import VhostUserProtocol
public import VirtioProtocol
internal import Wire

/// One queue of a driver. Has one owner: nothing here is locked.
public final class DriverQueue {
  /// The queue's number at its device.
  public let index: Int
  /// Number of descriptors.
  public let size: Int
  public let ram: GuestRAM
  /// Chains with more than one buffer go into an indirect table (INDIRECT_DESC was negotiated).
  public let usesIndirect: Bool
  /// Notifications are suppressed by index, not by flag (EVENT_IDX was negotiated).
  public let usesEventIndex: Bool

  public let descriptors: GuestBuffer
  public let available: GuestBuffer
  public let used: GuestBuffer

  /// Signalled by the driver.
  public let kickEvent: Event
  /// Signalled by the device after it used buffers.
  public let callEvent: Event
  /// Signalled by the device when it gives the queue up.
  public let errorEvent: Event
  /// The connection to the backend: waits end when it hangs up. Nil if nobody looks.
  public var connection: File?

  struct Chain {
    var descriptorCount = 0
    var token: UInt64 = 0
    var table: GuestBuffer?
    /// Stays with its caller when the device has used it (DriverQueue+Prepared.swift).
    var isPrepared = false
  }

  /// Chains in the device's hands, by head.
  var chains: [Chain]
  /// Next free descriptor after each free one.
  var nextFree: [UInt16]
  var firstFree: UInt16 = 0
  /// Descriptors that are free.
  public internal(set) var freeCount: Int
  /// Available index as far as chains were added.
  public internal(set) var addedIndex: UInt16 = 0
  /// Available index as far as the device may look.
  public internal(set) var publishedIndex: UInt16 = 0
  /// Used index as far as chains were taken back.
  public internal(set) var takenIndex: UInt16 = 0
  /// Available index at which the device goes on when it is started: what SET_VRING_BASE says.
  public var resumeBase: UInt16 = 0

  /// Makes a ring in `ram`.
  /// - Parameters:
  ///   - size: number of descriptors, a power of two to 32768.
  ///   - features: what was negotiated; INDIRECT_DESC and EVENT_IDX count.
  ///   - region: index of the memory region for the ring; nil for any.
  public init(
    index: Int, size: Int, ram: GuestRAM, features: VirtioFeatures, region: Int? = nil
  ) throws(FrontendError) {
    precondition(SplitRingLayout.isValid(queueSize: size), "a queue size is a power of two to 32768")
    self.index = index
    self.size = size
    self.ram = ram
    usesIndirect = features.contains(.indirectDescriptors)
    usesEventIndex = features.contains(.eventIndex)
    descriptors = try ram.allocate(
      SplitRingLayout.descriptorTableSize(size), alignment: UInt64(SplitRingLayout.descriptorAlignment),
      region: region)
    // The event words are part of the rings' memory whether or not they are used (VIRTIO 1.3 section 2.7).
    available = try ram.allocate(
      SplitRingLayout.availSize(size, eventIndex: true), alignment: UInt64(SplitRingLayout.availAlignment),
      region: region)
    used = try ram.allocate(
      SplitRingLayout.usedSize(size, eventIndex: true), alignment: UInt64(SplitRingLayout.usedAlignment),
      region: region)
    kickEvent = try onHost(Event.init)
    callEvent = try onHost(Event.init)
    errorEvent = try onHost(Event.init)
    chains = Array(repeating: Chain(), count: size)
    nextFree = (0..<size).map { UInt16(($0 + 1) & (size - 1)) }
    freeCount = size
  }

  /// Chains that the device has and did not use yet.
  public var outstandingCount: Int { chains.count { $0.descriptorCount > 0 } }

  /// The ring's addresses for SET_VRING_ADDR: user addresses of the rings, guest address for the log.
  public func addresses(flags: VringAddressFlags = []) -> VringAddress {
    let user = [descriptors, used, available].map { ram.userAddress(of: $0.guestAddress) ?? .max }
    return VringAddress(
      index: UInt32(index), flags: flags, descriptor: user[0], used: user[1], available: user[2],
      log: used.guestAddress)
  }

  /// Starts over with empty rings, as after a reset of the device. Chains still outstanding are forgotten.
  public func reset() {
    for chain in chains { if let table = chain.table { ram.free(table) } }
    chains = Array(repeating: Chain(), count: size)
    nextFree = (0..<size).map { UInt16(($0 + 1) & (size - 1)) }
    firstFree = 0
    freeCount = size
    addedIndex = 0
    publishedIndex = 0
    takenIndex = 0
    resumeBase = 0
    descriptors.segment.zero()
    available.segment.zero()
    used.segment.zero()
    kickEvent.drain()
    callEvent.drain()
    errorEvent.drain()
  }

  /// Adds a chain: first what the device reads, then what it writes. The device does not see it before `publish`.
  /// - Parameters:
  ///   - token: comes back with the used chain.
  ///   - indirect: into an indirect table; nil means if negotiated and the chain has more than one buffer.
  /// - Returns: the chain's head.
  @discardableResult
  public func add(
    readable: [GuestBuffer], writable: [GuestBuffer], token: UInt64 = 0, indirect: Bool? = nil
  ) throws(FrontendError) -> UInt16 {
    let count = readable.count + writable.count
    precondition(count > 0, "a chain has at least one buffer")
    let indirect = indirect ?? (usesIndirect && count > 1)
    guard freeCount >= (indirect ? 1 : count) else { throw .queueFull }
    let head = firstFree
    var chain = Chain(descriptorCount: indirect ? 1 : count, token: token)
    if indirect {
      let table = try ram.allocate(16 * count)
      for position in 0..<count {
        let next = position + 1 < count ? UInt16(position + 1) : nil
        table.segment.store(descriptor(position, readable, writable, next: next), at: 16 * position)
      }
      chain.table = table
      store(
        SplitDescriptor(
          address: table.guestAddress, length: UInt32(16 * count), flags: DescriptorFlags.indirect), at: head)
      firstFree = nextFree[Int(head)]
    } else {
      var place = head
      for position in 0..<count {
        let next = nextFree[Int(place)]
        store(descriptor(position, readable, writable, next: position + 1 < count ? next : nil), at: place)
        place = next
      }
      firstFree = place
    }
    freeCount -= chain.descriptorCount
    chains[Int(head)] = chain
    makeAvailable(head)
    return head
  }

  /// Lets the device see what was added.
  /// - Returns: true if the device wants a kick.
  @discardableResult
  public func publish() -> Bool {
    let old = publishedIndex
    guard old != addedIndex else { return false }
    publishedIndex = addedIndex
    available.segment.storeReleasing(addedIndex, at: SplitRingLayout.availIndexOffset)
    fullFence()
    if usesEventIndex {
      let event = used.segment.loadAcquiring(at: SplitRingLayout.availEventOffset(size))
      return SplitRingLayout.needsEvent(event, new: addedIndex, old: old)
    }
    return used.segment.loadAcquiring(at: SplitRingLayout.usedFlagsOffset) & UsedFlags.noNotify == 0
  }

  /// Publishes, and kicks if the device wants it.
  public func submit() {
    if publish() { kick() }
  }

  /// Signals the kick eventfd.
  public func kick() {
    kickEvent.signal()
  }

  /// Puts a head into the available ring.
  func makeAvailable(_ head: UInt16) {
    let slot = Int(addedIndex) & (size - 1)
    available.segment.store(head, at: SplitRingLayout.availRingOffset + 2 * slot)
    addedIndex &+= 1
  }

  func store(_ descriptor: SplitDescriptor, at place: UInt16) {
    descriptors.segment.store(descriptor, at: 16 * Int(place))
  }

  private func descriptor(
    _ position: Int, _ readable: [GuestBuffer], _ writable: [GuestBuffer], next: UInt16?
  ) -> SplitDescriptor {
    let isWritable = position >= readable.count
    let buffer = isWritable ? writable[position - readable.count] : readable[position]
    let flags = (isWritable ? DescriptorFlags.write : 0) | (next != nil ? DescriptorFlags.next : 0)
    return SplitDescriptor(
      address: buffer.guestAddress, length: UInt32(buffer.count), flags: flags, next: next ?? 0)
  }
}
