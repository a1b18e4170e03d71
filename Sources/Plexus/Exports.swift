// What the facade's calls take and give, so that `import Plexus` is all that a program needs.
@_exported import struct Datagrams.Endpoint
@_exported import struct Datagrams.HostAndPort
@_exported import enum Datagrams.IPAddress
@_exported import struct Identity.ApplicationRepository
@_exported import struct Identity.IdentityName
@_exported import struct Identity.IdentityPattern
@_exported import struct Logging.Logger
@_exported import struct NIOCore.ByteBuffer
@_exported import struct Rendezvous.MessageSubjects
@_exported import struct RendezvousDHT.DHTConfiguration
@_exported import struct RendezvousEmail.EmailConfiguration
@_exported import struct Wormhole.ExportedService
@_exported import struct Wormhole.ImportedService
@_exported import class Wormhole.WormholeExporter
@_exported import class Wormhole.WormholeImporter
