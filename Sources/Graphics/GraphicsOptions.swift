// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol

/// What a graphics device is told when it is made.
public struct GraphicsOptions: Sendable {
  /// Screens, 1 to 16.
  public var scanoutCount = 1
  /// What each screen says its size is until somebody resizes it.
  public var width = 1280
  public var height = 800
  /// Those of the first screens, where they differ from that.
  public var firstSizes: [(width: Int, height: Int)] = []
  /// Offer an EDID per screen.
  public var edid = true
  /// Most bytes of the host's memory for what the guest makes.
  public var memoryLimit = GraphicsOptions.defaultMemoryLimit

  /// How long a frontend that shows the screens may take to answer what the guest asks it. Linux gives all its
  /// questions together 5 s when its driver starts.
  public var frontendPatienceNanoseconds: Int64 = 2_000_000_000

  /// 512 MiB: fifteen pictures of 3840x2160.
  public static let defaultMemoryLimit = 512 << 20
  public static let scanoutCounts = 1...GPULimits.scanouts
  /// Width and height of a screen in pixels.
  public static let sizes = 32...16384

  public init() {}

  /// Of each screen.
  public var screenSizes: [(width: Int, height: Int)] {
    (0..<scanoutCount).map { firstSizes.indices.contains($0) ? firstSizes[$0] : (width, height) }
  }
}
