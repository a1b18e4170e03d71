int plexus_dht_placeholder;
