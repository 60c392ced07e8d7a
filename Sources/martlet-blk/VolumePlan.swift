// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One volume while its options are collected, and what becomes of it: an open image, and the service that room Daemon
// runs.

internal import Block
internal import Daemon
internal import Linux

struct VolumePlan {
  var image: String
  var listener: ListenerSource
  var options: VolumeOptions
  var wishes: ImageWishes

  /// Sets an option of a volume by its name ("direct", "num-queues"); false if there is none of this name.
  mutating func set(_ name: String, _ value: String?) throws(HumanError) -> Bool {
    switch (name, value) {
    case ("read-only", nil), ("readonly", nil): options.readOnly = true
    case ("read-write", nil): options.readOnly = false
    case ("serial", let serial?): options.serial = serial
    case ("direct", _): options.direct = try choose(value ?? "on", name)
    case ("cache", _): options.cache = try choose(value, name)
    case ("engine", _): options.engine = try choose(value, name)
    case ("pin-memory", _): options.pinnedMemory = try choose(value, name)
    case ("num-queues", let text?):
      guard let count = QueueCount(argument: text) else {
        throw .usage("num-queues in --volume needs a number or nproc, not '\(text)'")
      }
      try set(queues: count, in: "num-queues in --volume")
    case ("queue-size", let text?):
      guard let size = Int(text) else { throw .usage("queue-size in --volume needs a number, not '\(text)'") }
      try set(queueSize: size, in: "queue-size in --volume")
    case ("block-size", let text?):
      guard let size = Int(text) else { throw .usage("block-size in --volume needs a number, not '\(text)'") }
      try set(blockSize: size, in: "block-size in --volume")
    default:
      if try setLimit(name, value) { return true }
      return try setWish(name, value)
    }
    return true
  }

  private mutating func setLimit(_ name: String, _ value: String?) throws(HumanError) -> Bool {
    guard let value else { return false }
    let option = "\(name) in --volume"
    switch name {
    case "iops": options.limits.requestsPerSecond = try number(value, option)
    case "iops-burst": options.limits.requestBurst = try number(value, option)
    case "bandwidth": options.limits.bytesPerSecond = try byteCount(value, option)
    case "bandwidth-burst": options.limits.byteBurst = try byteCount(value, option)
    default: return false
    }
    return true
  }

  private func number(_ text: String, _ option: String) throws(HumanError) -> Int64 {
    guard let number = Int64(text) else { throw .usage("\(option) needs a number, not '\(text)'") }
    return number
  }

  func byteCount(_ text: String, _ option: String) throws(HumanError) -> Int64 {
    do throws(ImageError) { return try ByteSize.parse(text, for: option) } catch { throw HumanError(error) }
  }

  private mutating func setWish(_ name: String, _ value: String?) throws(HumanError) -> Bool {
    switch (name, value) {
    case ("create", nil): wishes.creates = true
    case ("size", let text?): wishes.size = text
    case ("fs-type", let type?): wishes.fileSystem = type
    case ("label", let label?): wishes.label = label
    case ("mkfs-arg", let argument?): wishes.makeArguments.append(argument)
    case ("preallocate", nil): wishes.isPreallocated = true
    case ("format", let format?): wishes.format = format
    case ("locking", _): wishes.locks = try choose(value, name) as Locking == .on
    default: return false
    }
    return true
  }

  mutating func set(queues: QueueCount, in option: String) throws(HumanError) {
    if case .number(let count) = queues, !(1...UInt64(QueueCount.most)).contains(count) {
      throw .usage("\(option) needs a number from 1 to \(QueueCount.most), not \(count)")
    }
    options.queueCount = queues.clamped
  }

  mutating func set(queueSize: Int, in option: String) throws(HumanError) {
    guard (2...32768).contains(queueSize), queueSize.nonzeroBitCount == 1 else {
      throw .usage("\(option) needs a power of two from 2 to 32768, not \(queueSize)")
    }
    options.queueSize = queueSize
  }

  mutating func set(blockSize: Int, in option: String) throws(HumanError) {
    guard (512...65536).contains(blockSize), blockSize.nonzeroBitCount == 1 else {
      throw .usage("\(option) needs a power of two from 512 to 65536, not \(blockSize)")
    }
    options.blockByteCount = blockSize
  }

  private func choose<Value: RawRepresentable<String> & CaseIterable>(
    _ text: String?, _ name: String
  ) throws(HumanError) -> Value {
    if let text, let value = Value(rawValue: text.lowercased()) { return value }
    let choices = Value.allCases.map { $0.rawValue }.joined(separator: ", ")
    throw .usage("\(name) in --volume cannot be '\(text ?? "")'; give one of \(choices)")
  }

  /// What follows from the options seen together.
  mutating func finish() throws(HumanError) {
    if try wishes.nothingByteCount() != nil {
      guard image.isEmpty else { throw .usage("--format null has no image; leave out '\(image)'") }
      image = "null"
    }
    guard !image.isEmpty else { throw .usage("the image's path is empty; give --blk-file a path") }
    if options.name.isEmpty { options.name = String(image.split(separator: "/").last ?? "volume") }
    if case .passed = listener { listener = .passed(name: options.name) }
    if let serial = options.serial, !(1...20).contains(serial.utf8.count) {
      throw .usage("the serial number '\(serial)' has \(serial.utf8.count) bytes; give one of 1 to 20 bytes")
    }
    do throws(ImageError) { try options.limits.check() } catch { throw HumanError(error) }
    _ = try wishes.recipe()
  }

  /// Makes the image if that is wished, opens it as it is served and locks it: all of it outside of the sandbox.
  func openImage() throws(HumanError) -> Image {
    try wishes.makeIfMissing(image)
    let opened: Image
    let nothingByteCount = try wishes.nothingByteCount()
    do throws(VolumeError) {
      if let nothingByteCount { return try Image(nothingOf: nothingByteCount, readOnly: options.readOnly) }
      opened = try Image(path: image, readOnly: options.readOnly, direct: options.direct)
    } catch {
      throw .failure(error.message)
    }
    try wishes.lock(opened)
    return opened
  }

  /// The service that room Daemon runs; nil for the image only describes it.
  func service(_ image: Image?) -> Service {
    let options = options
    // No directory has to be reachable: the image is open.
    return Service(name: options.name, listener: listener, source: nil) { surroundings throws(HumanError) in
      guard let image else { throw .failure("volume \(options.name) has no image") }
      do throws(VolumeError) {
        return try serve(image, options, surroundings)
      } catch {
        throw .failure(error.message)
      }
    }
  }

  /// For --dry-run.
  var description: String {
    let block = options.blockByteCount.map { "\($0)" } ?? "automatic"
    let pinning = options.pinnedMemory == .off ? "" : ", pinned memory \(options.pinnedMemory.rawValue)"
    let limits = [
      ("iops", options.limits.requestsPerSecond), ("iops-burst", options.limits.requestBurst),
      ("bandwidth", options.limits.bytesPerSecond), ("bandwidth-burst", options.limits.byteBurst),
    ].compactMap { name, value in value.map { ", \(name) \($0)" } }
    return "volume: \(options.name), image \(image), serial \(options.serial ?? "automatic"), "
      + "\(options.readOnly ? "read-only" : "read-write"), queues \(options.queueCount), "
      + "queue size \(options.queueSize), direct \(options.direct.rawValue), cache \(options.cache.rawValue), "
      + "engine \(options.engine.rawValue), block size \(block)\(pinning)\(limits.joined())\n"
  }
}
