// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The contract between a device and whatever drives it. A device never sees a descriptor of a ring, a vhost-user
// message or a raw guest address. The owner thread keeps the queue in a local variable and lends it for one call at
// a time: the compiler then proves exclusive access, where a queue stored in the device would be checked at run time
// for every request (contrib/decisions/0002).

public import VirtioProtocol

/// What a device is, before anybody attached to it.
public struct DeviceDescription: Sendable {
  public var id: DeviceID
  /// Short name for logs and thread names ("fs", "blk").
  public var name: String
  /// Device-specific features and ring features that the device can serve.
  public var features: VirtioFeatures
  /// Exactly as many queues as the device serves: some frontends build that many.
  public var queueCount: Int
  public var maximumQueueSize: UInt16
  /// Size of the device's configuration space in bytes; 0 if the frontend keeps it.
  public var configurationByteCount: Int

  public init(
    id: DeviceID, name: String, features: VirtioFeatures, queueCount: Int, maximumQueueSize: UInt16 = 32768,
    configurationByteCount: Int = 0
  ) {
    self.id = id
    self.name = name
    self.features = features
    self.queueCount = queueCount
    self.maximumQueueSize = maximumQueueSize
    self.configurationByteCount = configurationByteCount
  }
}

/// A piece of a file shown to the guest in the device's shared-memory window.
public struct WindowMapping: Sendable {
  public var regionID: UInt8
  /// In bytes, page aligned.
  public var windowOffset: UInt64
  public var fileOffset: UInt64
  public var byteCount: UInt64
  public var writable: Bool

  public init(regionID: UInt8, windowOffset: UInt64, fileOffset: UInt64, byteCount: UInt64, writable: Bool) {
    self.regionID = regionID
    self.windowOffset = windowOffset
    self.fileOffset = fileOffset
    self.byteCount = byteCount
    self.writable = writable
  }
}

/// What the driver of a device offers it.
public protocol DeviceHost: AnyObject, Sendable {
  /// Tells the guest that the configuration space has changed.
  func configurationChanged()
  /// Shows part of an open file in the window; false if the frontend has none or refused.
  func mapWindow(_ mapping: WindowMapping, fileDescriptor: Int32) -> Bool
  /// Takes back exactly one earlier mapping.
  func unmapWindow(_ mapping: WindowMapping) -> Bool
}

/// What a queue's thread sleeps for beside the device's own requests in flight. The numbers are descriptors.
public struct QueueAlarm: Sendable {
  /// Signalled by the driver.
  public var kick: Int32
  /// Signalled by the control thread.
  public var control: Int32

  public init(kick: Int32, control: Int32) {
    self.kick = kick
    self.control = control
  }
}

/// What has come since a device's last sleep.
public struct QueueWakeUp: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let kick = QueueWakeUp(rawValue: 1)
  public static let control = QueueWakeUp(rawValue: 2)
}

/// A virtio device. `reset` and the configuration calls come from the control thread while no queue runs or while
/// queues run; `start`, `process` and `stop` of one queue come from that queue's owner thread, one at a time.
public protocol Device: AnyObject, Sendable {
  var description: DeviceDescription { get }

  /// The configuration space from `offset` on; shorter than `byteCount` if it ends there (the rest reads as zero).
  func readConfiguration(offset: Int, byteCount: Int) -> [UInt8]
  /// False if the bytes may not be written.
  func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool
  /// The features that the driver accepted, before the first queue starts.
  func accept(_ features: VirtioFeatures)
  /// Somebody may have answered something through this ring before, perhaps another process; it runs next. From the
  /// control thread, after `accept`.
  func ringGoesOn(at index: Int)
  /// A connected socket that the frontend hands over, for whatever the device's kind uses one (GPU_SET_SOCKET: where
  /// its screens are shown). The descriptor stays the caller's; a device that wants it keeps a duplicate. From the
  /// control thread, before queues start and while they run. False if the device has no use for it.
  func adoptSocket(_ descriptor: Int32) -> Bool
  /// A number that the frontend keeps together with the requests in flight, for this device or the one that a later
  /// process serves in its place; nil where there is no such place. From the control thread, when no queue runs.
  func adoptWord(_ word: LastingWord?)
  /// The frontend has changed its memory while this queue did not run: what the device keeps of that on which the queue
  /// ran last goes. From the control thread, or from the owner thread of a queue that lies in no memory any more.
  func forgetMemory(at index: Int)
  /// The connection has ended: what the frontend handed over goes with it. `reset` follows. No queue is running.
  func frontendLeft()
  /// Forgets everything that a driver has set up: the guest rebooted or the frontend left. No queue is running.
  func reset()

  /// A queue is about to run.
  func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost)
  /// Serves chains until the ring is empty or a bound is reached, and flushes. Returns how many it took; 0 means that
  /// the ring was empty.
  func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int
  /// A descriptor that becomes readable when `process` can answer requests that are in flight; nil while none is. Asked
  /// whenever the ring is empty, on the owner thread.
  func completionDescriptor(at index: Int) -> Int32?
  /// Whether chains in the ring are work for the device. False where they are only room for what it will have to say
  /// (an input device between two events): they stay where they are, the driver is not asked to kick, and the loop
  /// sleeps for the completion descriptor. Asked on the owner thread when `process` has taken nothing.
  func wantsChains(at index: Int) -> Bool
  /// The longest, in nanoseconds, that the thread may look for completions with `hasCompletions` before it sleeps; 0
  /// where that does not pay. Asked when there is a completion descriptor.
  func lookNanoseconds(at index: Int) -> Int64
  /// Whether `process` can answer requests that are in flight. What was begun and not handed to the host is handed over
  /// first; otherwise it costs next to nothing.
  func hasCompletions(at index: Int) -> Bool
  /// Hands over what was begun and sleeps until the driver kicks, the control thread wants something or a request in
  /// flight is done, for a device that can do all of that in one call (an io_uring). Nil: it cannot, and the loop waits
  /// itself. May return early, and may tell what has woken it at the next sleep only.
  func sleep(until alarm: QueueAlarm, at index: Int) -> QueueWakeUp?
  /// The longest, in nanoseconds, that the thread may sleep for requests in flight before it serves the queue again;
  /// nil as long as nothing happens. For a device that holds requests back; asked when it has a completion descriptor
  /// and does not sleep itself (contrib/decisions/0013).
  func longestSleepNanoseconds(at index: Int) -> Int64?
  /// How long, in nanoseconds, a queue may be left alone after it was served so that requests come together: 0 where
  /// somebody waits for an answer. Asked once, on the owner thread.
  func patienceNanoseconds(at index: Int) -> Int64
  /// The queue is about to be taken away: requests in flight are completed first. Idempotent.
  func stop(_ queue: inout Virtqueue, at index: Int)

  /// True if `saveState` and `loadState` do something.
  var transfersState: Bool { get }
  /// The device's state for migration; `write` says false when the other side is gone. False if it failed.
  func saveState(_ write: ([UInt8]) -> Bool) -> Bool
  /// Takes over a state; `read` answers an empty array at its end. False if it cannot be used.
  func loadState(_ read: () -> [UInt8]) -> Bool
}

extension Device {
  public func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] { [] }
  public func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool { false }
  public func accept(_ features: VirtioFeatures) {}
  public func ringGoesOn(at index: Int) {}
  public func adoptSocket(_ descriptor: Int32) -> Bool { false }
  public func adoptWord(_ word: LastingWord?) {}
  public func forgetMemory(at index: Int) {}
  public func frontendLeft() {}
  public func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {}
  public func stop(_ queue: inout Virtqueue, at index: Int) {}
  public func completionDescriptor(at index: Int) -> Int32? { nil }
  public func wantsChains(at index: Int) -> Bool { true }
  public func lookNanoseconds(at index: Int) -> Int64 { 0 }
  public func hasCompletions(at index: Int) -> Bool { false }
  public func sleep(until alarm: QueueAlarm, at index: Int) -> QueueWakeUp? { nil }
  public func longestSleepNanoseconds(at index: Int) -> Int64? { nil }
  public func patienceNanoseconds(at index: Int) -> Int64 { 0 }
  public var transfersState: Bool { false }
  public func saveState(_ write: ([UInt8]) -> Bool) -> Bool { false }
  public func loadState(_ read: () -> [UInt8]) -> Bool { false }
}
