// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a viewer that is in says.

internal import Graphics
internal import InputProtocol
internal import RFBProtocol

extension Viewer {
  func takeMessage(_ bytes: ArraySlice<UInt8>) -> Taken {
    switch RFBClientMessage.parse(bytes) {
    case .incomplete: return bytes.count < RFBClientMessage.mostBytes ? .more : .end
    case .nonsense: return .end
    case .message(let message, let count):
      act(on: message)
      return .done(count)
    }
  }

  private func act(on message: RFBClientMessage) {
    switch message {
    case .setPixelFormat(let format):
      translation = PixelTranslation(format)
      hasNewColourMap = !format.trueColour
      hasNewCursor = true
      tiles = DirtyTiles(width: tiles.width, height: tiles.height)
    case .setEncodings(let list): setEncodings(list)
    case .updateRequest(let incremental, let area):
      let area = Rectangle(x: Int(area.x), y: Int(area.y), width: Int(area.width), height: Int(area.height))
      // Two that overlap in time are answered by one update of what both want.
      request = request.map { $0.union(area) } ?? area
      if !incremental {
        tiles.mark(area)
        // rfbproto, ExtendedDesktopSize: whoever wants all of it is told how large it is.
        if sizeNews == nil, extensions.contains(RFBEncoding.extendedDesktopSize) {
          sizeNews = (RFBSizeReason.server, RFBSizeStatus.done)
        }
      }
    case .key(let isDown, let symbol, let keyCode):
      report(keys.key(symbol: symbol, keyCode: keyCode, isDown: isDown))
    case .pointer(let buttons, let x, let y):
      report(keys.pointer(x: Int(x), y: Int(y), buttons: buttons, on: screen.desktopPart))
    case .setDesktopSize(let width, let height, let screenCount):
      // The last one counts; the others are not worth an interrupt of the guest each.
      if screenCount == 1 {
        sizeWish = (Int(width), Int(height))
      } else {
        sizeNews = (RFBSizeReason.thisClient, RFBSizeStatus.invalidLayout)
      }
    case .cutText(let byteCount): unwanted = byteCount
    }
  }

  /// Passes on the size that the viewer wishes for, if its last wish is long enough ago.
  func applySizeWish(_ now: Int64) {
    guard let wish = sizeWish, now >= nextSizeWish else { return }
    sizeWish = nil
    nextSizeWish = now + Viewer.sizeWishNanoseconds
    let isTaken = screen.resize(width: wish.width, height: wish.height)
    let refusal = screen.hasSizeOfFrontend ? RFBSizeStatus.prohibited : RFBSizeStatus.invalidLayout
    sizeNews = (RFBSizeReason.thisClient, isTaken ? RFBSizeStatus.forwarded : refusal)
  }

  func report(_ events: [InputEvent]) {
    if !events.isEmpty { settings.input?(events) }
  }

  private func setEncodings(_ list: [Int32]) {
    // The first one that we have is the one that the viewer likes best; raw needs no mention.
    encoding = list.first { $0 == RFBEncoding.zrle || $0 == RFBEncoding.raw } ?? RFBEncoding.raw
    let before = extensions
    extensions = Set(list).intersection([
      RFBEncoding.cursor, RFBEncoding.desktopSize, RFBEncoding.extendedDesktopSize, RFBEncoding.extendedKeys,
    ])
    let added = extensions.subtracting(before)
    if extensions.symmetricDifference(before).contains(RFBEncoding.cursor), let cursor = screen.drawnCursor {
      damage(cursor.place)
    }
    if added.contains(RFBEncoding.cursor) { hasNewCursor = true }
    if added.contains(RFBEncoding.extendedKeys) { tellsKeys = true }
    if added.contains(RFBEncoding.extendedDesktopSize) { sizeNews = (RFBSizeReason.server, RFBSizeStatus.done) }
  }
}
