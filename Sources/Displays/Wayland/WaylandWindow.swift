// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The window of one scanout. It opens with the guest's first picture, has the guest's size unless the compositor
// imposes one, and is painted when the compositor asks for the next frame: what the guest draws meanwhile is one
// rectangle. Pixels are copied once, from where the guest has them into a buffer that the compositor reads.

internal import Graphics
internal import Linux
internal import WaylandProtocol
internal import Wire

/// What windows need of the compositor: numbers of its global objects.
struct WaylandGlobals {
  var compositor: UInt32 = 0
  var shm: UInt32 = 0
  var windowBase: UInt32 = 0
  /// 0 where the compositor leaves it to clients to draw frames around windows, which this one does not.
  var decorations: UInt32 = 0

  var areEnough: Bool { compositor != 0 && shm != 0 && windowBase != 0 }
}

final class WaylandWindow {
  private static let nothing = Rectangle(x: 0, y: 0, width: 0, height: 0)
  /// The guest is told no more often of another size: each is an interrupt and a mode set.
  static let sizeWishNanoseconds: Int64 = 100_000_000
  /// Memory for buffers that there was none for is asked for again.
  private static let retryNanoseconds: Int64 = 500_000_000

  let scanout: Int
  let title: String
  private let device: GraphicsDevice
  private let connection: WaylandConnection
  private let globals: WaylandGlobals

  /// 0 while there is no window, as are the others.
  private(set) var surface: UInt32 = 0
  private(set) var windowSurface: UInt32 = 0
  private(set) var toplevel: UInt32 = 0
  private var decoration: UInt32 = 0
  /// Asked for the next frame and not answered yet; 0 for none.
  private var frameCallback: UInt32 = 0
  private var pool: PixelPool?
  /// When another try to make one is worth it; nil for now.
  private var nextTry: Int64?

  /// False while the scanout is off, and the window black. Where its pixels are is looked up when they are copied: to
  /// keep that would keep guest memory mapped which the frontend has long taken back.
  private var isShown = false
  /// Size of the last picture.
  private var pictureSize = (width: 0, height: 0)
  /// Size of the picture that the buffers were drawn for.
  private var drawnSize = (width: 0, height: 0)
  /// What has changed since the last commit, in the window's coordinates.
  private var damage = WaylandWindow.nothing
  /// The person has closed the window: it stays away until the guest turns its screen off and on again.
  private var isDismissed = false

  /// The compositor has said how large the window may be, and must be told that this was seen.
  private var serial: UInt32?
  private var isConfigured = false
  /// Of the configure event that is not complete yet.
  private var coming = (width: 0, height: 0, isFixed: false)
  /// What the window has to have (maximized, tiled), whatever the guest's size is.
  private var fixedSize: (width: Int, height: Int)?
  private var sizeWish: (width: Int, height: Int)?
  private var nextSizeWish: Int64 = 0

  init(
    _ device: GraphicsDevice, scanout: Int, title: String, _ connection: WaylandConnection, _ globals: WaylandGlobals
  ) {
    self.device = device
    self.scanout = scanout
    self.title = title
    self.connection = connection
    self.globals = globals
    look(WaylandWindow.nothing)
  }

  // MARK: The guest

  /// Catches up with the guest, of which a part of the picture has changed.
  func look(_ part: Rectangle) {
    let wasShown = isShown
    let source = device.source(of: scanout)
    isShown = source != nil
    guard let source else {
      if wasShown { markAll() }
      isDismissed = false
      return
    }
    pictureSize = (source.width, source.height)
    if !wasShown { markAll() }
    // Another size is shown with its first flush; until then what is seen stays.
    let origin = origin
    let moved = Rectangle(x: part.x + origin.x, y: part.y + origin.y, width: part.width, height: part.height)
    if !part.isEmpty { mark(moved) }
  }

  private func markAll() {
    mark(Rectangle(x: 0, y: 0, width: windowSize.width, height: windowSize.height))
  }

  private func mark(_ part: Rectangle) {
    let part = part.intersection(Rectangle(x: 0, y: 0, width: windowSize.width, height: windowSize.height))
    if part.isEmpty { return }
    damage = damage.union(part)
    pool?.mark(part)
  }

  private var windowSize: (width: Int, height: Int) { fixedSize ?? pictureSize }

  /// Where in the window the picture begins: in the middle of one that is larger.
  private var origin: (x: Int, y: Int) {
    (max((windowSize.width - pictureSize.width) / 2, 0), max((windowSize.height - pictureSize.height) / 2, 0))
  }

  /// The pixel of the picture at a place of the window; the nearest one for a place beside it.
  func pixel(x: WaylandFixed, y: WaylandFixed) -> (x: Int, y: Int) {
    (
      min(max(x.whole - origin.x, 0), max(pictureSize.width - 1, 0)),
      min(max(y.whole - origin.y, 0), max(pictureSize.height - 1, 0))
    )
  }

  /// A dark screen is all that it knows of.
  var desktopPart: DesktopPart {
    let (width, height) = pictureSize
    return device.desktopPart(of: scanout)
      ?? DesktopPart(Rectangle(x: 0, y: 0, width: width, height: height), width: width, height: height)
  }

  // MARK: The compositor

  func configureToplevel(width: Int32, height: Int32, isFixed: Bool) {
    let most = Int32(GraphicsOptions.sizes.upperBound)
    coming = (Int(min(max(width, 0), most)), Int(min(max(height, 0), most)), isFixed)
  }

  func configure(serial: UInt32) {
    self.serial = serial
    isConfigured = true
    let hasSize = coming.width > 0 && coming.height > 0
    let before = windowSize
    fixedSize = hasSize && coming.isFixed ? (coming.width, coming.height) : nil
    if windowSize != before { markAll() }
    // A guest that has this size already has nothing to hear of.
    if hasSize, (coming.width, coming.height) != pictureSize { sizeWish = (coming.width, coming.height) }
  }

  /// When something is due: a wish for a size, or another try to make buffers.
  var deadline: Int64? { [sizeWish == nil ? nil : nextSizeWish, nextTry].compactMap { $0 }.min() }

  /// Does what is due.
  func passTime(_ now: Int64) {
    if let nextTry, now >= nextTry { self.nextTry = nil }
    guard let wish = sizeWish, now >= nextSizeWish else { return }
    sizeWish = nil
    nextSizeWish = now + WaylandWindow.sizeWishNanoseconds
    let sizes = GraphicsOptions.sizes
    // A frontend that shows the screens itself decides on their size.
    _ = device.resize(
      scanout, width: max(wish.width, sizes.lowerBound), height: max(wish.height, sizes.lowerBound))
  }

  func isDone(_ callback: UInt32) {
    if callback == frameCallback { frameCallback = 0 }
  }

  func release(_ buffer: UInt32) {
    pool?.release(buffer)
  }

  /// The person has closed it. The guest's screen stays what it is.
  func dismiss() {
    isDismissed = true
    if decoration != 0 {
      connection.send(.destroyDecoration(decoration))
      connection.bury(decoration)
    }
    connection.send(.destroyToplevel(toplevel))
    connection.send(.destroyWindowSurface(windowSurface))
    connection.send(.destroySurface(surface))
    for object in [toplevel, windowSurface, surface] { connection.bury(object) }
    (surface, windowSurface, toplevel, decoration, frameCallback) = (0, 0, 0, 0, 0)
    pool?.destroy()
    pool = nil
    (serial, isConfigured, fixedSize, sizeWish, nextTry) = (nil, false, nil, nil, nil)
  }

  private func open() {
    surface = connection.make(.surface)
    connection.send(.createSurface(globals.compositor, new: surface))
    windowSurface = connection.make(.windowSurface)
    connection.send(.getWindowSurface(globals.windowBase, new: windowSurface, surface: surface))
    toplevel = connection.make(.toplevel)
    connection.send(.getToplevel(windowSurface, new: toplevel))
    connection.send(.setTitle(toplevel, title))
    connection.send(.setApplication(toplevel, "martlet-gpu"))
    if globals.decorations != 0 {
      decoration = connection.make(.decoration)
      connection.send(.getDecoration(globals.decorations, new: decoration, toplevel: toplevel))
      connection.send(.decorateByCompositor(decoration))
    }
    // Without pixels: the compositor answers with how large it may be (xdg_surface).
    connection.send(.commit(surface))
  }
}

// MARK: Painting

extension WaylandWindow {
  /// Sends what the compositor waits for and what has changed, if it is time for that. Called when everything sent
  /// before is with the compositor, so that one which does not read costs nothing.
  func present() {
    if surface == 0 {
      if isShown, !isDismissed { open() }
      return
    }
    guard isConfigured else { return }
    let isAnswer = serial != nil
    if let serial { connection.send(.acknowledge(windowSurface, serial: serial)) }
    serial = nil
    let isPainted = (isAnswer || frameCallback == 0) && paint()
    // What was acknowledged counts from the next commit on.
    if isAnswer || isPainted { connection.send(.commit(surface)) }
  }

  /// Attaches a buffer with what has changed; false if nothing has, or if the compositor has all buffers.
  private func paint() -> Bool {
    let source = device.source(of: scanout)
    // Turned on or off or resized just now: the news of that is on its way.
    guard (source != nil) == isShown, source.map({ ($0.width, $0.height) == pictureSize }) ?? true,
      let pool = currentPool(), !damage.isEmpty, let buffer = pool.take()
    else { return false }
    draw(source, into: buffer, pool)
    connection.send(.attach(surface, buffer: buffer.object))
    connection.send(
      .damage(surface, x: damage.x, y: damage.y, width: damage.width, height: damage.height))
    damage = WaylandWindow.nothing
    if frameCallback == 0 {
      frameCallback = connection.make(.callback)
      connection.send(.frame(surface, new: frameCallback))
    }
    return true
  }

  /// Buffers of the window's size; nil if there is no memory for them now.
  private func currentPool() -> PixelPool? {
    let size = windowSize
    if let pool, (pool.width, pool.height) == size {
      // The picture lies elsewhere in the window.
      if drawnSize != pictureSize {
        drawnSize = pictureSize
        markAll()
      }
      return pool
    }
    // While the guest has not flushed a picture of a new size, the old one stays.
    if pool != nil, damage.isEmpty { return nil }
    if nextTry != nil { return nil }
    guard
      let made = try? PixelPool(
        connection, shm: globals.shm, width: size.width, height: size.height, format: WaylandFormat.xrgb8888)
    else {
      nextTry = Clock.monotonic + WaylandWindow.retryNanoseconds
      return nil
    }
    pool?.destroy()
    pool = made
    drawnSize = pictureSize
    damage = made.whole
    return made
  }

  private func draw(_ source: PixelSource?, into buffer: PixelPool.Buffer, _ pool: PixelPool) {
    let picture = Rectangle(x: origin.x, y: origin.y, width: pictureSize.width, height: pictureSize.height)
    let isCovered = source != nil && picture.intersection(pool.whole) == pool.whole
    // What surrounds a picture changes with all of it.
    if !isCovered, !buffer.isBlack, buffer.stale == pool.whole { buffer.pixels.zero() }
    let visible = buffer.stale.intersection(picture)
    guard let source, !visible.isEmpty else { return }
    device.countShown(
      source.copy(
        Rectangle(x: visible.x - picture.x, y: visible.y - picture.y, width: visible.width, height: visible.height),
        into: buffer.pixels.dropFirst(visible.y * pool.stride + visible.x * 4), stride: pool.stride))
  }
}
