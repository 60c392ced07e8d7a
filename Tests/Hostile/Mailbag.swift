// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Random vhost-user messages: from nearly right to garbage.

import Frontend
import Linux
import VhostUserProtocol
import VirtioProtocol
import Wire

/// Makes messages and the descriptors that go with them.
final class Mailbag {
  private let memory: SharedDescriptor
  private let event: Event
  private let other: Event
  private let nothing: FileDescriptor
  private let pair: SocketPair

  static let memoryByteCount = 1 << 20

  init() throws {
    let file = try MemoryFile.create("mailbag", byteCount: Mailbag.memoryByteCount)
    memory = SharedDescriptor(file)
    event = try Event()
    other = try Event()
    nothing = try File.currentDirectory.open(CName("/dev/null"), flags: OpenFlags.readWrite)
    pair = try UnixSocket.pair()
  }

  /// Some open file: memory, an eventfd, a socket, a device.
  func anyFile(_ dice: inout Dice) -> File {
    switch dice.roll(6) {
    case 0, 1: return memory.file
    case 2: return event.file
    case 3: return other.file
    case 4: return nothing.file
    default: return pair.first.file
    }
  }

  /// Brings a session to where rings run, so that what follows hits something.
  func warmUp(_ connection: FrontendConnection) throws {
    try connection.setProtocolFeatures(ProtocolFeatures(rawValue: .max))
    try connection.setFeatures([.version1, .eventIndex, .vhostUserProtocolFeatures, .indirectDescriptors])
    let region = MemoryRegion(guestAddress: 0, size: UInt64(Mailbag.memoryByteCount), userAddress: 0)
    try connection.tell(.addMemReg, payload: [UInt8](wire: SingleMemoryRegion(region: region)), files: [memory.file])
    for index in 0..<3 {
      let base = UInt64(index) << 16
      try connection.setRingSize(index, 16)
      try connection.setRingAddress(
        VringAddress(index: UInt32(index), descriptor: base, used: base + 0x1000, available: base + 0x2000))
      try connection.setKick(index, event.file)
      try connection.setCall(index, other.file)
      try connection.setRingEnabled(index, true)
    }
  }

  /// Sends one message of any kind. False if the connection is of no use any more.
  func sendOne(on socket: MessageSocket, _ dice: inout Dice) throws -> Bool {
    do {
      switch dice.roll(40) {
      case 0:
        try socket.send(raw: dice.bytes(dice.roll(64)), files: files(&dice, dice.roll(4)))
      case 1:
        let header = MessageHeader(request: UInt32(truncatingIfNeeded: dice.edge()), flags: flags(&dice), size: 0)
        try socket.send(header)
      case 2:
        // The size lies: what follows is taken for a payload or for the next header.
        let header = MessageHeader(
          request: UInt32(1 + dice.roll(44)), size: UInt32(truncatingIfNeeded: dice.edge()))
        try socket.send(raw: [UInt8](wire: header) + dice.bytes(dice.roll(100)))
      default:
        try sendNearlyRight(on: socket, &dice)
      }
      return true
    } catch FrontendError.closed, FrontendError.system(.tryAgain) {
      return false
    }
  }

  private func sendNearlyRight(on socket: MessageSocket, _ dice: inout Dice) throws {
    var request = dice.pick(FrontendRequest.allCases)
    // The state of another process may not come in the time that a test has.
    if request == .checkDeviceState && !dice.hits(50) { request = .getFeatures }
    var payload = payload(of: request, &dice)
    switch dice.roll(12) {
    case 0: payload = Array(payload.prefix(dice.roll(payload.count + 1)))
    case 1: payload += dice.bytes(dice.roll(200))
    case 2: if !payload.isEmpty { payload[dice.roll(payload.count)] ^= UInt8(1 << dice.roll(8)) }
    case 3: payload = dice.bytes(payload.count)
    default: break
    }
    var count = expectedDescriptors(request, payload)
    if dice.hits(8) { count = dice.roll(33) }
    let header = MessageHeader(request: request.rawValue, flags: flags(&dice), size: UInt32(payload.count))
    try socket.send(header, payload: payload, files: files(&dice, min(count, 32)))
  }

  private func flags(_ dice: inout Dice) -> UInt32 {
    switch dice.roll(60) {
    case 0: return UInt32(truncatingIfNeeded: dice.next())
    case 1: return MessageHeader.version | MessageHeader.reply
    default: return MessageHeader.version | (dice.hits(2) ? MessageHeader.needReply : 0)
    }
  }

  private func files(_ dice: inout Dice, _ count: Int) -> [File] {
    (0..<count).map { _ in anyFile(&dice) }
  }

  private func expectedDescriptors(_ request: FrontendRequest, _ payload: [UInt8]) -> Int {
    switch request {
    case .setMemTable: Int(payload.load(UInt32.self) ?? 0) % 33
    case .setLogBase, .setLogFd, .setBackendReqFd, .setInflightFd, .addMemReg, .gpuSetSocket, .setDeviceStateFd: 1
    case .setVringKick, .setVringCall, .setVringErr: (payload.load(UInt64.self) ?? 0) & 0x100 == 0 ? 1 : 0
    default: 0
    }
  }

  /// A payload of the right shape with believable and edge values.
  func payload(of request: FrontendRequest, _ dice: inout Dice) -> [UInt8] {
    let ring = dice.hits(10) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(4))
    switch request {
    case .setFeatures, .setProtocolFeatures:
      return [UInt8](wire: dice.hits(2) ? dice.next() : UInt64.max)
    case .setMemTable:
      let count = dice.hits(10) ? dice.roll(40) : dice.roll(4)
      var payload = [UInt8](wire: MemoryTableHeader(count: UInt32(count)))
      for _ in 0..<count { payload.append(wire: region(&dice)) }
      return payload
    case .addMemReg, .remMemReg:
      return [UInt8](wire: SingleMemoryRegion(region: region(&dice)))
    case .setLogBase:
      return [UInt8](wire: LogDescription(size: small(&dice), offset: small(&dice)))
    case .setVringNum:
      return [UInt8](wire: VringState(index: ring, num: dice.hits(3) ? UInt32(truncatingIfNeeded: dice.edge()) : 16))
    case .setVringBase, .getVringBase, .setVringEndian, .vringKick:
      return [UInt8](wire: VringState(index: ring, num: UInt32(truncatingIfNeeded: dice.edge())))
    case .setVringEnable:
      return [UInt8](wire: VringState(index: ring, num: UInt32(dice.roll(2))))
    case .setVringAddr:
      return [UInt8](wire: address(ring, &dice))
    case .setVringKick, .setVringCall, .setVringErr:
      return [UInt8](wire: UInt64(ring) | (dice.hits(6) ? 0x100 : 0))
    case .getConfig, .setConfig:
      let size = dice.hits(4) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(40))
      let offset = dice.hits(4) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(40))
      return [UInt8](wire: ConfigHeader(offset: offset, size: size, flags: UInt32(dice.roll(3))))
        + dice.bytes(min(Int(size), 300))
    case .getInflightFd, .setInflightFd:
      return [UInt8](
        wire: InflightDescription(
          mmapSize: small(&dice), mmapOffset: dice.hits(2) ? 0 : small(&dice),
          queueCount: UInt16(truncatingIfNeeded: dice.hits(3) ? dice.edge() : UInt64(dice.roll(4))),
          queueSize: UInt16(truncatingIfNeeded: dice.hits(3) ? dice.edge() : 16)))
    case .setDeviceStateFd:
      return [UInt8](wire: DeviceStateDescription(direction: UInt32(dice.roll(3)), phase: UInt32(dice.roll(2))))
    case .setStatus:
      return [UInt8](wire: UInt64(dice.roll(256)))
    case .iotlbMsg:
      return [UInt8](wire: IOTLBMessage())
    case .createCryptoSession:
      return dice.bytes(dice.roll(1100))
    case .getSharedObject:
      return dice.bytes(16)
    case .sendRarp, .netSetMtu, .closeCryptoSession:
      return [UInt8](wire: dice.next())
    default:
      return []
    }
  }

  private func region(_ dice: inout Dice) -> MemoryRegion {
    if dice.hits(2) {
      let page = UInt64(dice.roll(64)) << 14
      return MemoryRegion(
        guestAddress: page, size: 1 << 14, userAddress: page + UInt64(dice.roll(2)) << 32, mmapOffset: page)
    }
    return MemoryRegion(
      guestAddress: dice.edge(), size: small(&dice), userAddress: dice.edge(), mmapOffset: small(&dice))
  }

  private func address(_ ring: UInt32, _ dice: inout Dice) -> VringAddress {
    func one(_ dice: inout Dice) -> UInt64 { dice.hits(4) ? dice.edge() : UInt64(dice.roll(1 << 16)) << 4 }
    return VringAddress(
      index: ring, flags: VringAddressFlags(rawValue: UInt32(dice.roll(3))), descriptor: one(&dice), used: one(&dice),
      available: one(&dice), log: dice.edge())
  }

  /// Mostly inside of the memory file, sometimes anything.
  private func small(_ dice: inout Dice) -> UInt64 {
    dice.hits(3) ? dice.edge() : UInt64(dice.roll(Mailbag.memoryByteCount))
  }
}
