import COpenDHT

@testable import Identity
@testable import RendezvousDHT

/// Two throw-away identities, made for this and used nowhere else: ours, and that of a peer whom we know.
///
/// They are fixed so that what was signed and encrypted in the corpus stays so.
///
/// `@unchecked`: the keys behind the pointers are only read.
struct FuzzKeys: @unchecked Sendable {
  static let own = FuzzKeys("own@example.org/fuzz", certificate: ownCertificate, key: ownKey)
  static let peer = FuzzKeys("peer@example.org/fuzz", certificate: peerCertificate, key: peerKey)
  static let sealer = makeSealer()

  let identity: PeerIdentity
  let key: OpaquePointer
  let publicKey: OpaquePointer
  var der: [UInt8] { identity.certificateDER }

  private init(_ name: String, certificate: String, key pem: String) {
    let bytes = Array(pem.utf8)
    guard let name = try? IdentityName(name),
      let identity = try? PeerIdentity(name: name, pem: Array(certificate.utf8), source: "FuzzKeys.swift"),
      let key = codht_private_key_read(bytes, bytes.count, nil),
      let publicKey = codht_certificate_read(identity.certificateDER, identity.certificateDER.count, nil)
    else { preconditionFailure("the keys in FuzzKeys.swift are damaged") }
    (self.identity, self.key, self.publicKey) = (identity, key, publicKey)
  }

  private static func makeSealer() -> Sealer {
    guard let sealer = try? Sealer(privateKeyPEM: ownKey) else { preconditionFailure("the own key is damaged") }
    return sealer
  }

  private static let ownCertificate = """
    -----BEGIN CERTIFICATE-----
    MIIDSzCCAjOgAwIBAgIUOGs7S3eCk1VwCUPNOtltZMmGjiowDQYJKoZIhvcNAQEL
    BQAwNDERMA8GA1UEAwwIZnV6ei1vd24xHzAdBgkqhkiG9w0BCQEWEGZ1enpAZXhh
    bXBsZS5vcmcwIBcNMjYxMTIzMDI0NDQ1WhgPMjEyNjEwMzAwMjQ0NDVaMDQxETAP
    BgNVBAMMCGZ1enotb3duMR8wHQYJKoZIhvcNAQkBFhBmdXp6QGV4YW1wbGUub3Jn
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxCxSG3kOvkoLW4Ht6S+K
    XCAMtUl7xnK4Z8C3qPFzBGx1Q6jfoOUvn6Xdx2UOJDjFdaUO4gRm+HD04bp+a4PU
    R5Iuf8sNPDhVJUO+fiBtHb/PK0xL5b4GxIP9YW+DdAWjhIp0BAKvM7Hm04dw9wSB
    9Yqwmqf6L/WZqVYanwJmUg4LuDDAcXNyzyxuHvhs8vCFxF6eRu0yHR0NBzvp4Noc
    H+gVzCUidbcMzYhxMzERGnjEXLaUIbk9v6JHS/FlsBSKZ4gCWamRLFn7T3/Mij+J
    S6XjWmct8XiXnBodH31HTdXvkZ0GUY8sG6dqA+lSpkE/Qdf2+VYoIbrw1pX5lVJ7
    WwIDAQABo1MwUTAdBgNVHQ4EFgQUz+7YffbrPu5rzERpgHzz19Q7MC8wHwYDVR0j
    BBgwFoAUz+7YffbrPu5rzERpgHzz19Q7MC8wDwYDVR0TAQH/BAUwAwEB/zANBgkq
    hkiG9w0BAQsFAAOCAQEATLP961U8neZNGJCJlk7SubAr1s8R6X16XUyQ5SAAaUcP
    3fbJiGFb/Z862ta6x54DW5vSelwsdUMSFBs82VZRfOempO2NONSvM4diBXaRjH39
    /Eckr/RpQqR/5FhBAlbpzHI4bq2Gs6833gVv90KuXFXnGspxdvAh3NzpDyKm2gyk
    M54jYlzl4CSaW+cm3E4uXo8TzD6bgVQVKxRYdCFtWw5EfPMFNxdEWjs021c8z1vb
    DiumB7iuAWX22tb3brv7sF0SPW/eB3791n23d/hMjN+gWgW41fl62kuLP1ww2l2U
    Mb1EthjCZbeOa3V9PMibZxWtLI4IY7vhjGayaZxT4w==
    -----END CERTIFICATE-----
    """

  static let ownKey = """
    -----BEGIN PRIVATE KEY-----
    MIIEugIBADANBgkqhkiG9w0BAQEFAASCBKQwggSgAgEAAoIBAQDELFIbeQ6+Sgtb
    ge3pL4pcIAy1SXvGcrhnwLeo8XMEbHVDqN+g5S+fpd3HZQ4kOMV1pQ7iBGb4cPTh
    un5rg9RHki5/yw08OFUlQ75+IG0dv88rTEvlvgbEg/1hb4N0BaOEinQEAq8zsebT
    h3D3BIH1irCap/ov9ZmpVhqfAmZSDgu4MMBxc3LPLG4e+Gzy8IXEXp5G7TIdHQ0H
    O+ng2hwf6BXMJSJ1twzNiHEzMREaeMRctpQhuT2/okdL8WWwFIpniAJZqZEsWftP
    f8yKP4lLpeNaZy3xeJecGh0ffUdN1e+RnQZRjywbp2oD6VKmQT9B1/b5VighuvDW
    lfmVUntbAgMBAAECggEAPk0rGGGGbqWaXMnzUlrQULi3AH4haqF1cjHwwh1IX2/I
    gB/qQbF3wfaN7CzqZFOJVncAtoQaZa2OAABX9PJNoRtKXDiS7/yeAfM1VN4ceVW4
    yDH3arPCd3fJqT+emmLODyJffQSTOtI1khlSJYkPcvlEZCGT4dZYokBfvP8omscf
    JGaAdJGo2FLqWmQFNUGojgSHUBSdJwCshttGqPhHwsO9Ru6e+lWyGV6Pj+1yQlAt
    CD6mvBbrd6tkUzweKJmknYEOXGnJm6YSvnIJK63s+E2zv6+XOjjigbjBlI5+f166
    gE7qEBvzigVPrVFZVaWrZQv+u66s93H3lsRRB1xnQQKBgQD3aWWSGsOoyUR13cI/
    IZ963ytI0BNaHp20fF6qt+/pvWklqvGlVSi3k3qZ+v3Q+FWcame6UmaKrzejdYSW
    wEfAMiSJj+QOhS8pVoosN8qNGZfTCG3qK+dVMR+vrEr+Vxu0L9VCjEmMb156JNby
    is1o5iKTTvy5df3aBkkPctuHGwKBgQDK+5i/cY3Rg4g7l4UvWHYV4HU83qFyWqL/
    B+r178b6227IJbqKauSvECQOCIhWbfWuBT28bEJghpzC6Uf7/OU7n1Ln4ShYK6t4
    Z+GG8GJRiMQJjPPoxk9na5V2L2GNWH69Zte7ONVuGwI8X70cqW2QYFphXPqpRXYR
    9vc7Lm7gwQKBgGtxxR9vKhtp1KZPOOVLx8OHmXeUjWLsutY/0KjZGoJqtHgcRbbk
    Rbt7e5nVS1buEdfMyeE7mbaOo14EUiFZvY8093MaHxNDOZj9MSJE1Fz0iV+nYHx6
    torju3wCGctcrvZQc4/j9qjbUK9AwmwwZUYx8z//5HbyS9zcL+xamAWTAoGAHEPo
    w0/mtbQhNlslGrCw0N8OtEk0Jh5k8CqEF3cqOChyRsCqNzgnXBFdU+7wPUjWm0Lz
    k9dnbtWP4rxlX7uZmDHZc5yw54Y9PGkKyKWUq1HmKoZMOK/UwswCZhC2/t3B2FIH
    3HRPlCOCrjGOvf0B2sbwDvrJlOStSlcfmkge/IECfxvGqxtGmpEpFnWdQyL1rsEF
    FBFyM1Zhgw2J9vITquxOFhMEUkXh6PS0H5Vc5W0GYDCog1eomDTADGozgKTMAYFt
    Qkouf/sWxPiocoFTrGeDglzjgEHnzBosyBbcVW+HZfZ+LO3/hvjUDtw87vkRiZam
    f9Y4yrZBceQO0afumjk=
    -----END PRIVATE KEY-----
    """

  private static let peerCertificate = """
    -----BEGIN CERTIFICATE-----
    MIIDTTCCAjWgAwIBAgIUYiUobkin4OQKWmifn/Y6w+nEkiswDQYJKoZIhvcNAQEL
    BQAwNTESMBAGA1UEAwwJZnV6ei1wZWVyMR8wHQYJKoZIhvcNAQkBFhBmdXp6QGV4
    YW1wbGUub3JnMCAXDTI2MTEyMzAyNDQ0NVoYDzIxMjYxMDMwMDI0NDQ1WjA1MRIw
    EAYDVQQDDAlmdXp6LXBlZXIxHzAdBgkqhkiG9w0BCQEWEGZ1enpAZXhhbXBsZS5v
    cmcwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQDg6THEg+gLcO1VJJdE
    IcXDzEaSr3lKUfvfWIdq5HF3QxxIWVlpcHHIvbP0icCu07gDBNBm7Gc6ZPGohAJL
    L8+m4RSIEHZnLje46GJuow+ShEKis5wEfparxCPpeuKxuNPorqj6y/U56UH67HOa
    ekGOTR/vY8SiQCC1NVAgLKfUfv7NO51/ZuBSLCBsrOcQYk2sNK6mqSeE+FcuPRYr
    meN2Cs3B0HqeSqS//HMpLQHLGEpEtdqc6aPP14RPk4p3V3H/gE53S32lUwYBTSTi
    btPSRXIE2lVW9CeXyQyiIIP0Kmzgg/FHXHGNAMEHi9qnQfycMs2+J1V6sXHT6XGh
    zrgVAgMBAAGjUzBRMB0GA1UdDgQWBBQdiefyrgnsFVh9lZFke5HEv5Uq8TAfBgNV
    HSMEGDAWgBQdiefyrgnsFVh9lZFke5HEv5Uq8TAPBgNVHRMBAf8EBTADAQH/MA0G
    CSqGSIb3DQEBCwUAA4IBAQCiC7hkHc//G1TPMR1iN0MYnxBEwG6q1qWq2wsVNsmz
    5JFeK/sMTJ3R+Z9U4F+mh109eI0pHvsjAnegFxUiFD+rS1GqN6R1dHy2ATrL+UHK
    3yllLc8AGg1i8uRHZ2lWrcjgvogFkOmfcZ4K2nTl7nlhXR0GTyfaWLHMUjoGlxj8
    LgWu/gAZ0ca+vIVcp3Ers4zx7QbvVo37XM//+xHkVc2PDZIR229u0zC58Edu9wOn
    11pLeMDurVT2qa/KJehq9G2wgMn6e9F1l9s2SiIsv/dmby8A7onGavoFhwXn/CeV
    yFTzNFqZer1jns1J8Pt/7Nf/YtfsVkS7jaudYP4S2TQs
    -----END CERTIFICATE-----
    """

  private static let peerKey = """
    -----BEGIN PRIVATE KEY-----
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDg6THEg+gLcO1V
    JJdEIcXDzEaSr3lKUfvfWIdq5HF3QxxIWVlpcHHIvbP0icCu07gDBNBm7Gc6ZPGo
    hAJLL8+m4RSIEHZnLje46GJuow+ShEKis5wEfparxCPpeuKxuNPorqj6y/U56UH6
    7HOaekGOTR/vY8SiQCC1NVAgLKfUfv7NO51/ZuBSLCBsrOcQYk2sNK6mqSeE+Fcu
    PRYrmeN2Cs3B0HqeSqS//HMpLQHLGEpEtdqc6aPP14RPk4p3V3H/gE53S32lUwYB
    TSTibtPSRXIE2lVW9CeXyQyiIIP0Kmzgg/FHXHGNAMEHi9qnQfycMs2+J1V6sXHT
    6XGhzrgVAgMBAAECggEAZP1g+vgt1CFXeFFPWOj/R81sbQY85LnOarnySHWeW2p3
    gycXpmg2t2gzK11Fd1sa98QMHgMN0SMtfbkU3JTx3WGY2gXmXKtcmvtB46L1ZZlc
    4Hjc2AnNdwBCDd8/doTjJkpzFvZJPUE3fsf4msdFs3N/IPt/+kjoRuXS/jd+/sNV
    yJilEqAufw0gMEoF3eCKo75m81EHUTx9apf3yweAFKQOTqE/8+O2CeUChvnR0QKA
    p5UU+aGswiNCzDkJtRVMQm25AKs6WBAKPtmTWiZKFBjnt4nWnQNRhIbswhmHlXAr
    unB38ich7FUNtqH2FIp8IuOnFnlyqxbfn7jR8OohGwKBgQD7ISf2Dx2jjLQR4vMt
    xQt4FRnnBJiZQkVjDTN0F3VMgNCJlgPTEooVytkvcvlNDJI0NP5LuSBOz/7AoMRL
    /IUV5zeUT7cMouX/BtTmRF+NY4N0I4egje15jfOOd/oCogFTlejY9CXabUrXN+j6
    R1+YS4Mp2uLFG27MtdQU0I/HiwKBgQDlRd1Lcwqj4xSakVgiGJ9wXdUEoGqUaJ8E
    i0MSUDWYj8z9au4aTVd2VmZ+ZK6Gc8AH9YIYiIiKTmfwU/oMv7hyHYM2pcVDFmM2
    MwwmLLXW6q4bTCjFCXQ8GruhrNev/2AXG2AY2JCY8lo3rEa2t7vvUrgfS6saFjdF
    6ToJn5xy3wKBgQDOQxlTXG73meV8m28otKMK6inwOTItDuV2yaztOSc6wsKFfxV9
    E8kexRFFi6V/x0d+YdhL0a3bjbKr/F++GZYlu1dHFYI/erx1juLmjln9AzNA/L20
    /V2DbTgSWDCcYPu9727kYwOEOCg0RNOyXVUC/WKpygJf6nxC30VmIzc0qQKBgEbN
    t5SIV33bL864Gf6Vmg9qetFt9NwWHx2ZIEJ0kMiniAeu0Q9AWUVLU2WvFBKjhmcu
    01leOMR1iDW4yVzMjFp5cL8cnHmmXUcsppDXd+SCHviBIYoP7FxvaQh5xzYr6HHa
    W2fw4V7KYUAWLNRak2hKJGBNzu5EdBdb+jdkmj0DAoGAWaH9WlTq08fyS4JlOA2X
    eoD1g880dI6hrDatAFYCOWgTIJk8H6fmJd+yZzxzhuS9tG5fBiRINjAbn+0jVhW6
    YoHXAUsS2YFuJH5WsYSdItmn1ZBZOprLk08ErJDauhUp36DgwzAwnWkSqgNvY3Rh
    LUEzamywx3xLtIxVM6Xe7nc=
    -----END PRIVATE KEY-----
    """
}
