import Testing

/// Tests in network namespaces: one after another, because each starts servers and this may be a small machine.
@Suite(.serialized) struct LabTests {}
