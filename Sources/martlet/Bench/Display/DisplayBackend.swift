// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How a graphics backend is started: ours with what is needed to look at it, any other one with nothing but QEMU's
// conventions for backend programs (docs/interop/vhost-user.rst).

internal import Linux

struct DisplayStarter {
  let specs: [BackendSpec]
  let folder: String

  static func isMartlet(_ spec: BackendSpec) -> Bool {
    if case .program(let program, _) = spec.source { program.hasSuffix("martlet-gpu") } else { false }
  }

  static func controlSocket(_ socket: String) -> String { socket + ".control" }
  static func viewerSocket(_ socket: String) -> String { socket + ".vnc" }

  func start(_ spec: BackendSpec, number: Int) throws(HumanError) -> RunningBackend {
    let isMartlet = Self.isMartlet(spec)
    return try RunningBackend(spec, in: folder, number: number) { socket in
      ["--socket-path=\(socket)"]
        + (isMartlet
          ? ["--control-socket=\(Self.controlSocket(socket))", "--vnc=unix:\(Self.viewerSocket(socket))"] : [])
    }
  }

  func all(_ mode: DisplayMode, pollNanoseconds: Int64) throws(HumanError) -> [any Contestant] {
    try specs.contestants { (spec, number) throws(HumanError) in
      try start(spec, number: number)
    } session: { (backend, _) throws(HumanError) in
      try DisplaySession(backend, mode, pollNanoseconds: pollNanoseconds)
    }
  }
}
