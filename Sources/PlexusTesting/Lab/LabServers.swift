extension LabScript {
  /// The servers of the public side: they start while the sites are built, and `ready` says that all of them listen.
  ///
  /// What they say stands in files of the lab's directory. A server that ends early is told by its last lines.
  var servers: String {
    """
    cat >\(topology.directory)/servers.sh <<'END'
    set -e
    cd \(topology.directory)
    nft -f - <<'RULES'
    table inet dead {
      chain input {
        type filter hook input priority 0;
        ip daddr \(LabTopology.deadServerAddress) drop
        ip6 daddr \(LabTopology.deadServerAddressV6) drop
      }
    }
    RULES
    \(topology.servers ? start : "")
    echo ready
    wait
    END
    (ip netns exec \(topology.server) sh \(topology.directory)/servers.sh || echo failed) &

    """
  }

  /// Starts the programs and waits until they listen.
  private var start: String {
    """
    \(turnserver("stun", addresses: behaviourAddresses, options: ""))
    \(turnserver("plain", addresses: LabTopology.plainServerAddresses, options: "--no-rfc5780"))
    dhtnode -p 4222 -s </dev/null >dhtnode.log 2>&1 &
    dhtnode=$!
    # Each round takes a few milliseconds, so this gives up after some ten seconds.
    round=0
    while :; do
      missing=
      sockets=$(cat /proc/net/udp /proc/net/udp6 2>/dev/null)
      for socket in \(listening); do
        case $sockets in *" $socket "*) ;; *) missing=$socket ;; esac
      done
      [ -n "$missing" ] || break
      for server in "stun $stun" "plain $plain" "dhtnode $dhtnode"; do
        kill -0 "${server#* }" 2>/dev/null || { echo "the server ${server% *} ended:"; tail -n 5 "${server% *}.log"; exit 1; }
      done
      round=$((round + 1))
      [ $round -lt 1000 ] || { echo "no server listens on $missing"; exit 1; }
      sleep 0.01
    done
    """
  }

  private var behaviourAddresses: [String] {
    [LabTopology.serverAddress, LabTopology.secondServerAddress]
      + (topology.ipv6 ? [LabTopology.serverAddressV6, LabTopology.secondServerAddressV6] : [])
  }

  private func turnserver(_ name: String, addresses: [String], options: String) -> String {
    """
    turnserver -n --no-auth --stun-only --no-tls --no-dtls --no-cli \(options) -m 1 --pidfile \(name).pid \
    --userdb \(name).db --log-file stdout \(addresses.map { "-L \($0)" }.joined(separator: " ")) \
    </dev/null >\(name).log 2>&1 &
    \(name)=$!
    """
  }

  /// Local addresses as in `/proc/net/udp`: the IPv4 address as a little-endian number, and the port, both hexadecimal.
  private var listening: String {
    let behaviour = ["016433C6:0D96", "016433C6:0D97", "026433C6:0D96", "026433C6:0D97"]
    return (behaviour + ["036433C6:0D96", "046433C6:0D96", "00000000:107E"]).joined(separator: " ")
  }
}
