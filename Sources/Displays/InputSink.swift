// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import InputProtocol

/// Where a display leaves what people do: events that belong together, without the report that ends them. From any
/// thread; must not wait. Displays say which key was pressed and which place was pointed at; the device that serves the
/// guest is none of their business.
public typealias InputSink = @Sendable ([InputEvent]) -> Void
