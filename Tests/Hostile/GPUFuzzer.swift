// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Wire

/// Commands that are nearly right: real structs with numbers from a small set of good ones and bad ones, so that most
/// get far before they fail, and many do not fail.
struct GPUFuzzer {
  var dice: Dice
  /// Guest memory that entries may point to.
  var memory: GuestBuffer?

  init(dice: Dice) {
    self.dice = dice
  }

  private mutating func id() -> UInt32 {
    dice.hits(30) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(12))
  }

  private mutating func scanout() -> UInt32 {
    dice.hits(20) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(4))
  }

  private mutating func length() -> UInt32 {
    dice.hits(8) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(130))
  }

  private mutating func format() -> GPUFormat {
    GPUFormat(rawValue: dice.hits(15) ? UInt32(dice.roll(200)) : dice.pick([1, 2, 3, 4, 67, 68, 121, 134]))
  }

  private mutating func rectangle() -> GPURectangle {
    if dice.hits(2) {
      let side = UInt32(64)
      return GPURectangle(
        x: UInt32(dice.roll(40)), y: UInt32(dice.roll(40)), width: 1 + UInt32(dice.roll(Int(side) - 40)),
        height: 1 + UInt32(dice.roll(Int(side) - 40)))
    }
    return GPURectangle(x: length(), y: length(), width: length(), height: length())
  }

  private mutating func header(_ type: GPUMessageType) -> GPUControlHeader {
    let flags = GPUFlags(rawValue: UInt32(dice.hits(20) ? dice.roll(256) : dice.roll(4)))
    return GPUControlHeader(
      type, flags: flags, fenceID: dice.edge(), contextID: UInt32(dice.roll(3)), ringIndex: UInt8(dice.roll(256)))
  }

  /// Entries in the guest's memory, mostly; the count is mostly theirs.
  private mutating func entries() -> (count: UInt32, bytes: [UInt8]) {
    var bytes: [UInt8] = []
    let count = dice.roll(dice.hits(10) ? 200 : 5)
    for _ in 0..<count {
      let inside = UInt64(dice.roll(1 << 20))
      let base = memory?.guestAddress ?? 0
      let entry =
        dice.hits(20)
        ? GPUMemoryEntry(address: dice.edge(), length: UInt32(truncatingIfNeeded: dice.edge()))
        : GPUMemoryEntry(address: base + inside, length: UInt32(dice.roll((1 << 20) - Int(inside))))
      bytes += [UInt8](wire: entry)
    }
    return (dice.hits(20) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(count), bytes)
  }

  /// A command; now and then cut off or with a bit turned over.
  mutating func command() -> [UInt8] {
    var bytes = dice.hits(3) ? control2D() : dice.hits(2) ? blob() : dice.hits(3) ? other() : shown()
    if dice.hits(25) { bytes = Array(bytes.prefix(dice.roll(bytes.count + 1))) }
    if dice.hits(25), !bytes.isEmpty { bytes[dice.roll(bytes.count)] ^= 1 << UInt8(dice.roll(8)) }
    if bytes.isEmpty { bytes = [UInt8(dice.roll(256))] }
    return bytes
  }

  private mutating func control2D() -> [UInt8] {
    switch dice.roll(4) {
    case 0:
      let side = dice.hits(3) ? length() : 64
      return [UInt8](
        wire: GPUResourceCreate2D(
          header: header(.resourceCreate2D), resourceID: id(), format: format(), width: side,
          height: dice.hits(4) ? length() : side))
    case 1:
      let (count, list) = entries()
      return [UInt8](
        wire: GPUAttachBacking(header: header(.attachBacking), resourceID: id(), entryCount: count)) + list
    case 2:
      let types: [GPUMessageType] = [.detachBacking, .resourceUnref, .resourceAssignUUID]
      return [UInt8](wire: GPUResourceReference(header: header(dice.pick(types)), resourceID: id()))
    default:
      return [UInt8](
        wire: GPUTransferToHost2D(
          header: header(.transferToHost2D), rectangle: rectangle(),
          offset: dice.hits(4) ? dice.edge() : UInt64(dice.roll(20000)), resourceID: id()))
    }
  }

  private mutating func blob() -> [UInt8] {
    if dice.hits(2) {
      let (count, list) = entries()
      let memory = GPUBlobMemory(rawValue: dice.hits(10) ? UInt32(dice.roll(5)) : 1)
      return [UInt8](
        wire: GPUResourceCreateBlob(
          header: header(.resourceCreateBlob), resourceID: id(), memory: memory,
          flags: GPUBlobFlags(rawValue: UInt32(dice.roll(8))), entryCount: count, blobID: dice.edge(),
          size: dice.hits(6) ? dice.edge() : UInt64(1 + dice.roll(60000)))) + list
    }
    var request = GPUSetScanoutBlob(
      header: header(.setScanoutBlob), rectangle: rectangle(), scanoutID: scanout(), resourceID: id(),
      width: dice.hits(3) ? length() : 64, height: dice.hits(3) ? length() : 64, format: format())
    request.strides[0] = dice.hits(4) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(256 + dice.roll(64))
    request.offsets[0] = dice.hits(4) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(300))
    return [UInt8](wire: request)
  }

  private mutating func shown() -> [UInt8] {
    switch dice.roll(3) {
    case 0:
      return [UInt8](
        wire: GPUSetScanout(
          header: header(.setScanout), rectangle: rectangle(), scanoutID: scanout(), resourceID: id()))
    case 1:
      let place = GPUCursorPosition(scanoutID: scanout(), x: length(), y: length())
      return [UInt8](
        wire: GPUUpdateCursor(
          header: header(dice.pick([.updateCursor, .moveCursor])), position: place, resourceID: id(),
          hotX: length(), hotY: length()))
    default:
      return [UInt8](
        wire: GPUResourceFlush(header: header(.resourceFlush), rectangle: rectangle(), resourceID: id()))
    }
  }

  /// Information, commands of a renderer, and numbers that mean nothing.
  private mutating func other() -> [UInt8] {
    let types: [UInt32] = [0x100, 0x108, 0x109, 0x10a, 0x200, 0x201, 0x202, 0x204, 0x207, 0x208, 0x209]
    let type = dice.hits(5) ? UInt32(truncatingIfNeeded: dice.edge()) : dice.pick(types)
    return [UInt8](wire: header(GPUMessageType(rawValue: type))) + dice.bytes(dice.roll(80))
  }
}
