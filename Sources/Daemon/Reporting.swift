// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

// `HumanError` stands in the signatures of this room, so whoever imports the room needs its members too: exported, so
// that a daemon's program has one room to import and not two.
@_exported public import Reporting
