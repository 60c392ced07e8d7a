// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Every struct of room GPUProtocol with the C names of its fields. GPUHeaderTests holds it against the kernel's header.

import GPUProtocol
import Wire

enum GPULayouts {
  static let all: [Layout] = [
    layout(
      GPUControlHeader.self, "virtio_gpu_ctrl_hdr",
      [
        "type": \.type, "flags": \.flags, "fence_id": \.fenceID, "ctx_id": \.contextID, "ring_idx": \.ringIndex,
        "padding": \.padding,
      ]),
    layout(GPURectangle.self, "virtio_gpu_rect", ["x": \.x, "y": \.y, "width": \.width, "height": \.height]),
    layout(GPUBox.self, "virtio_gpu_box", ["x": \.x, "y": \.y, "z": \.z, "w": \.width, "h": \.height, "d": \.depth]),
    layout(GPUMemoryEntry.self, "virtio_gpu_mem_entry", ["addr": \.address, "length": \.length, "padding": \.padding]),
    layout(
      GPUResourceCreate2D.self, "virtio_gpu_resource_create_2d",
      ["hdr": \.header, "resource_id": \.resourceID, "format": \.format, "width": \.width, "height": \.height]),
    layout(
      GPUResourceReference.self, "virtio_gpu_resource_unref",
      ["hdr": \.header, "resource_id": \.resourceID, "padding": \.padding]),
    layout(
      GPUResourceReference.self, "virtio_gpu_resource_detach_backing",
      ["hdr": \.header, "resource_id": \.resourceID, "padding": \.padding]),
    layout(
      GPUResourceReference.self, "virtio_gpu_resource_assign_uuid",
      ["hdr": \.header, "resource_id": \.resourceID, "padding": \.padding]),
    layout(
      GPUResourceReference.self, "virtio_gpu_resource_unmap_blob",
      ["hdr": \.header, "resource_id": \.resourceID, "padding": \.padding]),
    layout(
      GPUResourceReference.self, "virtio_gpu_ctx_resource",
      ["hdr": \.header, "resource_id": \.resourceID, "padding": \.padding]),
    layout(
      GPUSetScanout.self, "virtio_gpu_set_scanout",
      ["hdr": \.header, "r": \.rectangle, "scanout_id": \.scanoutID, "resource_id": \.resourceID]),
    layout(
      GPUResourceFlush.self, "virtio_gpu_resource_flush",
      ["hdr": \.header, "r": \.rectangle, "resource_id": \.resourceID, "padding": \.padding]),
    layout(
      GPUTransferToHost2D.self, "virtio_gpu_transfer_to_host_2d",
      ["hdr": \.header, "r": \.rectangle, "offset": \.offset, "resource_id": \.resourceID, "padding": \.padding]),
    layout(
      GPUAttachBacking.self, "virtio_gpu_resource_attach_backing",
      ["hdr": \.header, "resource_id": \.resourceID, "nr_entries": \.entryCount]),
    layout(
      GPUGetCapsetInfo.self, "virtio_gpu_get_capset_info",
      ["hdr": \.header, "capset_index": \.capsetIndex, "padding": \.padding]),
    layout(
      GPUGetCapset.self, "virtio_gpu_get_capset",
      ["hdr": \.header, "capset_id": \.capsetID, "capset_version": \.capsetVersion]),
    layout(
      GPUGetEDID.self, "virtio_gpu_cmd_get_edid", ["hdr": \.header, "scanout": \.scanoutID, "padding": \.padding]),
    layout(
      GPUResourceCreateBlob.self, "virtio_gpu_resource_create_blob",
      [
        "hdr": \.header, "resource_id": \.resourceID, "blob_mem": \.memory, "blob_flags": \.flags,
        "nr_entries": \.entryCount, "blob_id": \.blobID, "size": \.size,
      ]),
    layout(
      GPUSetScanoutBlob.self, "virtio_gpu_set_scanout_blob",
      [
        "hdr": \.header, "r": \.rectangle, "scanout_id": \.scanoutID, "resource_id": \.resourceID, "width": \.width,
        "height": \.height, "format": \.format, "padding": \.padding, "strides": \.strides, "offsets": \.offsets,
      ]),
    layout(
      GPUResourceMapBlob.self, "virtio_gpu_resource_map_blob",
      ["hdr": \.header, "resource_id": \.resourceID, "padding": \.padding, "offset": \.offset]),
    layout(
      GPUContextCreate.self, "virtio_gpu_ctx_create",
      ["hdr": \.header, "nlen": \.nameLength, "context_init": \.contextInit, "debug_name": \.debugName]),
    layout(GPUContextDestroy.self, "virtio_gpu_ctx_destroy", ["hdr": \.header]),
    layout(
      GPUResourceCreate3D.self, "virtio_gpu_resource_create_3d",
      [
        "hdr": \.header, "resource_id": \.resourceID, "target": \.target, "format": \.format, "bind": \.bind,
        "width": \.width, "height": \.height, "depth": \.depth, "array_size": \.arraySize, "last_level": \.lastLevel,
        "nr_samples": \.sampleCount, "flags": \.flags, "padding": \.padding,
      ]),
    layout(
      GPUTransferHost3D.self, "virtio_gpu_transfer_host_3d",
      [
        "hdr": \.header, "box": \.box, "offset": \.offset, "resource_id": \.resourceID, "level": \.level,
        "stride": \.stride, "layer_stride": \.layerStride,
      ]),
    layout(GPUSubmit3D.self, "virtio_gpu_cmd_submit", ["hdr": \.header, "size": \.size, "padding": \.padding]),
    layout(
      GPUCursorPosition.self, "virtio_gpu_cursor_pos",
      ["scanout_id": \.scanoutID, "x": \.x, "y": \.y, "padding": \.padding]),
    layout(
      GPUUpdateCursor.self, "virtio_gpu_update_cursor",
      [
        "hdr": \.header, "pos": \.position, "resource_id": \.resourceID, "hot_x": \.hotX, "hot_y": \.hotY,
        "padding": \.padding,
      ]),
    layout(GPUDisplayMode.self, "virtio_gpu_display_one", ["r": \.rectangle, "enabled": \.enabled, "flags": \.flags]),
    layout(GPUDisplayInfo.self, "virtio_gpu_resp_display_info", ["hdr": \.header, "pmodes": \.modes]),
    layout(
      GPUCapsetInfo.self, "virtio_gpu_resp_capset_info",
      [
        "hdr": \.header, "capset_id": \.capsetID, "capset_max_version": \.maximumVersion,
        "capset_max_size": \.maximumSize, "padding": \.padding,
      ]),
    layout(
      GPUEDIDResponse.self, "virtio_gpu_resp_edid",
      ["hdr": \.header, "size": \.size, "padding": \.padding, "edid": \.edid]),
    layout(GPUResourceUUID.self, "virtio_gpu_resp_resource_uuid", ["hdr": \.header, "uuid": \.uuid]),
    layout(
      GPUMapInfo.self, "virtio_gpu_resp_map_info", ["hdr": \.header, "map_info": \.mapInfo, "padding": \.padding]),
    layout(
      GPUConfiguration.self, "virtio_gpu_config",
      [
        "events_read": \.eventsRead, "events_clear": \.eventsClear, "num_scanouts": \.scanoutCount,
        "num_capsets": \.capsetCount, "blob_alignment": \.blobAlignment,
      ]),
  ]

  /// Numbers by the header's names.
  static let constants: [(name: String, ours: UInt32)] = [
    ("VIRTIO_GPU_CMD_GET_DISPLAY_INFO", GPUMessageType.getDisplayInfo.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_CREATE_2D", GPUMessageType.resourceCreate2D.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_UNREF", GPUMessageType.resourceUnref.rawValue),
    ("VIRTIO_GPU_CMD_SET_SCANOUT", GPUMessageType.setScanout.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_FLUSH", GPUMessageType.resourceFlush.rawValue),
    ("VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D", GPUMessageType.transferToHost2D.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING", GPUMessageType.attachBacking.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING", GPUMessageType.detachBacking.rawValue),
    ("VIRTIO_GPU_CMD_GET_CAPSET_INFO", GPUMessageType.getCapsetInfo.rawValue),
    ("VIRTIO_GPU_CMD_GET_CAPSET", GPUMessageType.getCapset.rawValue),
    ("VIRTIO_GPU_CMD_GET_EDID", GPUMessageType.getEDID.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID", GPUMessageType.resourceAssignUUID.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB", GPUMessageType.resourceCreateBlob.rawValue),
    ("VIRTIO_GPU_CMD_SET_SCANOUT_BLOB", GPUMessageType.setScanoutBlob.rawValue),
    ("VIRTIO_GPU_CMD_CTX_CREATE", GPUMessageType.contextCreate.rawValue),
    ("VIRTIO_GPU_CMD_CTX_DESTROY", GPUMessageType.contextDestroy.rawValue),
    ("VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE", GPUMessageType.contextAttachResource.rawValue),
    ("VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE", GPUMessageType.contextDetachResource.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_CREATE_3D", GPUMessageType.resourceCreate3D.rawValue),
    ("VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D", GPUMessageType.transferToHost3D.rawValue),
    ("VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D", GPUMessageType.transferFromHost3D.rawValue),
    ("VIRTIO_GPU_CMD_SUBMIT_3D", GPUMessageType.submit3D.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB", GPUMessageType.resourceMapBlob.rawValue),
    ("VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB", GPUMessageType.resourceUnmapBlob.rawValue),
    ("VIRTIO_GPU_CMD_UPDATE_CURSOR", GPUMessageType.updateCursor.rawValue),
    ("VIRTIO_GPU_CMD_MOVE_CURSOR", GPUMessageType.moveCursor.rawValue),
    ("VIRTIO_GPU_RESP_OK_NODATA", GPUMessageType.okNoData.rawValue),
    ("VIRTIO_GPU_RESP_OK_DISPLAY_INFO", GPUMessageType.okDisplayInfo.rawValue),
    ("VIRTIO_GPU_RESP_OK_CAPSET_INFO", GPUMessageType.okCapsetInfo.rawValue),
    ("VIRTIO_GPU_RESP_OK_CAPSET", GPUMessageType.okCapset.rawValue),
    ("VIRTIO_GPU_RESP_OK_EDID", GPUMessageType.okEDID.rawValue),
    ("VIRTIO_GPU_RESP_OK_RESOURCE_UUID", GPUMessageType.okResourceUUID.rawValue),
    ("VIRTIO_GPU_RESP_OK_MAP_INFO", GPUMessageType.okMapInfo.rawValue),
    ("VIRTIO_GPU_RESP_ERR_UNSPEC", GPUMessageType.errorUnspecified.rawValue),
    ("VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY", GPUMessageType.errorOutOfMemory.rawValue),
    ("VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID", GPUMessageType.errorInvalidScanout.rawValue),
    ("VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID", GPUMessageType.errorInvalidResource.rawValue),
    ("VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID", GPUMessageType.errorInvalidContext.rawValue),
    ("VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER", GPUMessageType.errorInvalidParameter.rawValue),
    ("VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM", GPUFormat.b8g8r8a8.rawValue),
    ("VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM", GPUFormat.b8g8r8x8.rawValue),
    ("VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM", GPUFormat.a8r8g8b8.rawValue),
    ("VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM", GPUFormat.x8r8g8b8.rawValue),
    ("VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM", GPUFormat.r8g8b8a8.rawValue),
    ("VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM", GPUFormat.x8b8g8r8.rawValue),
    ("VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM", GPUFormat.a8b8g8r8.rawValue),
    ("VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM", GPUFormat.r8g8b8x8.rawValue),
    ("VIRTIO_GPU_FLAG_FENCE", GPUFlags.fence.rawValue),
    ("VIRTIO_GPU_FLAG_INFO_RING_IDX", GPUFlags.infoRingIndex.rawValue),
    ("VIRTIO_GPU_BLOB_MEM_GUEST", GPUBlobMemory.guest.rawValue),
    ("VIRTIO_GPU_BLOB_MEM_HOST3D", GPUBlobMemory.host3D.rawValue),
    ("VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST", GPUBlobMemory.host3DGuest.rawValue),
    ("VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE", GPUBlobFlags.mappable.rawValue),
    ("VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE", GPUBlobFlags.shareable.rawValue),
    ("VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE", GPUBlobFlags.crossDevice.rawValue),
    ("VIRTIO_GPU_EVENT_DISPLAY", GPUEvents.display.rawValue),
    ("VIRTIO_GPU_F_VIRGL", UInt32(GPUFeatureBit.virgl)),
    ("VIRTIO_GPU_F_EDID", UInt32(GPUFeatureBit.edid)),
    ("VIRTIO_GPU_F_RESOURCE_UUID", UInt32(GPUFeatureBit.resourceUUID)),
    ("VIRTIO_GPU_F_RESOURCE_BLOB", UInt32(GPUFeatureBit.resourceBlob)),
    ("VIRTIO_GPU_F_CONTEXT_INIT", UInt32(GPUFeatureBit.contextInit)),
    ("VIRTIO_GPU_MAX_SCANOUTS", UInt32(GPULimits.scanouts)),
    ("VIRTIO_GPU_MAP_CACHE_CACHED", GPULimits.mapCacheCached),
    ("VIRTIO_GPU_SHM_ID_HOST_VISIBLE", UInt32(GPULimits.hostVisibleRegion)),
  ]
}
