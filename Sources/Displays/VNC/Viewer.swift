// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One viewer: its socket, what it has said about itself, what it has not seen yet. Belongs to the server's thread.

internal import Graphics
internal import Linux
internal import RFBProtocol

final class Viewer {
  /// Where the conversation is (RFC 6143 section 7.1 to 7.3).
  enum Phase {
    case version
    case security
    case challenge([UInt8])
    /// A wrong password: the answer comes later, so that guessing takes its time.
    case refusal
    case initialization
    case running
    /// What is on its way goes out, and that is all.
    case ending
  }

  /// Of one turn: what it asks for with that is all that others wait for.
  static let readByteCount = 8192
  static let sizeWishNanoseconds: Int64 = 100_000_000
  /// How long a viewer may take until it is in.
  static let handshakeNanoseconds: Int64 = 20_000_000_000
  static let refusalNanoseconds: Int64 = 1_000_000_000
  /// How long a viewer may take none of what is on its way.
  static let stallNanoseconds: Int64 = 60_000_000_000

  let socket: UnixSocket
  let screen: Screen
  /// The number of the listener through which it came.
  let door: Int
  let settings: VNCSettings
  let output: Output
  var phase = Phase.version
  var version = RFBVersion.v3_8
  var deadline: Int64?
  /// When the viewer last took something, or had nothing to take.
  private var lastProgress: Int64
  /// Bytes that came and are no whole message yet.
  var input: [UInt8] = []
  /// Bytes of a clipboard text that are still to come.
  var unwanted = 0

  var keys = ViewerInput()
  var translation = PixelTranslation(.native)
  var hasNewColourMap = false
  var encoding = RFBEncoding.raw
  var stream: DeflateStream?
  var extensions = Set<Int32>()
  /// What the viewer takes the screen's size for.
  var tiles: DirtyTiles
  var request: Rectangle?
  /// What of the update under way is still to be encoded.
  var bands: ArraySlice<Rectangle> = []
  var hasNewCursor = false
  /// Why the size is to be told again, and how a wish for another went.
  var sizeNews: (reason: UInt16, status: UInt16)?
  var sizeWish: (width: Int, height: Int)?
  var nextSizeWish: Int64 = 0
  var tellsKeys = false

  init(_ socket: consuming UnixSocket, _ screen: Screen, door: Int, _ settings: VNCSettings) throws(Errno) {
    try socket.file.setNonBlocking(true)
    // What is encoded in one go finds room, and the next is encoded while the viewer takes it.
    socket.askForRoom(byteCount: Int32(RectangleEncoder.preferredPixels * 4))
    self.socket = socket
    self.screen = screen
    self.door = door
    self.settings = settings
    output = try Output()
    tiles = DirtyTiles(width: screen.width, height: screen.height)
    let now = Clock.monotonic
    lastProgress = now
    deadline = now + Viewer.handshakeNanoseconds
    output.append(RFBVersion.greeting)
  }

  // MARK: What it waits for

  /// Not while it leaves what it was sent: whoever says much must listen too. Keys and pointers come through, as they
  /// must be released by whoever is slow to see it.
  var wantsInput: Bool {
    if case .ending = phase { return false }
    if case .refusal = phase { return false }
    return true
  }

  var wantsOutput: Bool { !output.isEmpty || hasMore }

  /// It was another viewer's turn before everything was encoded.
  private var hasMore = false

  /// When something has to be done about it even if it does nothing.
  var nextDeadline: Int64? {
    let stall = output.isEmpty ? nil : lastProgress + Viewer.stallNanoseconds
    let wish = sizeWish == nil ? nil : nextSizeWish
    return [deadline, stall, wish].compactMap { $0 }.min()
  }

  /// It has said all that it has to say to be let in.
  var isIn: Bool {
    switch phase {
    case .initialization, .running: true
    default: false
    }
  }

  /// False if its time is up.
  func keepsTime(_ now: Int64) -> Bool {
    if !output.isEmpty, now >= lastProgress + Viewer.stallNanoseconds { return false }
    guard let deadline, now >= deadline else { return true }
    guard case .refusal = phase else { return false }
    refuse()
    return true
  }

  /// It goes: nobody holds its keys any more.
  func leave() {
    report(keys.release())
    socket.shutDown()
  }

  // MARK: Its turn

  /// Sends what can be sent; false when it is gone or done with.
  func send(_ encoder: RectangleEncoder) -> Bool {
    do throws(Errno) {
      // A few rows of tiles, then it is another viewer's turn.
      for _ in 0..<4 {
        if output.isEmpty {
          lastProgress = Clock.monotonic
          guard encodeNext(encoder) else { return false }
        }
        hasMore = !output.isEmpty
        if output.isEmpty { break }
        if try output.send(to: socket) { lastProgress = Clock.monotonic }
        if !output.isEmpty { return true }
      }
    } catch {
      return false
    }
    if case .ending = phase { return !output.isEmpty }
    return true
  }

  /// Takes what came; false when it is gone or talks nonsense.
  func receive() -> Bool {
    do throws(Errno) {
      var descriptors = ReceivedDescriptors()
      guard
        let bytes = try socket.receiveOnce(
          atMost: Viewer.readByteCount - min(input.count, Viewer.readByteCount / 2), descriptors: &descriptors)
      else { return false }
      input += bytes
    } catch .tryAgain {
      return true
    } catch {
      return false
    }
    return understand()
  }

  /// Everything whole that came; false for nonsense.
  private func understand() -> Bool {
    var rest = input[...]
    while !rest.isEmpty {
      if unwanted > 0 {
        let count = min(unwanted, rest.count)
        unwanted -= count
        rest = rest.dropFirst(count)
        continue
      }
      switch take(rest) {
      case .done(let count): rest = rest.dropFirst(count)
      case .more:
        input = Array(rest)
        return true
      case .end: return false
      }
    }
    input = []
    return true
  }

  enum Taken {
    /// So many bytes are understood.
    case done(Int)
    case more
    /// Nothing good will come of this one.
    case end
  }

  private func take(_ bytes: ArraySlice<UInt8>) -> Taken {
    switch phase {
    case .version: takeVersion(bytes)
    case .security: takeSecurity(bytes)
    case .challenge(let challenge): takeResponse(bytes, to: challenge)
    case .initialization: takeInitialization(bytes)
    case .running: takeMessage(bytes)
    case .refusal, .ending: .done(bytes.count)
    }
  }
}
